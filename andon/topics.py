"""The topics, as data: what each holds, how long, and who writes and reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

EVENTS: Final = "execute.events"
COMMANDS: Final = "andon.commands"
ACKS: Final = "andon.acks"
HEARTBEATS: Final = "andon.heartbeats"
AUDIT: Final = "andon.audit"
ALERTS: Final = "andon.alerts"
DEAD_LETTERS: Final = "andon.dead-letters"
POLICIES: Final = "andon.policies"
APPROVALS: Final = "andon.approvals"
SCOPES: Final = "andon.scopes"
PERMITS: Final = "andon.permits"

KAFKA_DEFAULT_MESSAGE_BYTES: Final = 1_048_588
"""What Apache Kafka takes in one batch unless told otherwise; also the largest event."""

Kept = Literal["time", "long", "short", "compacted"]


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic.

    `kept`: `time` and `long` delete records by age (the ages are settings), `short` after an
    hour, `compacted` keeps the newest record of each key. `partitions`: None takes the number
    from the settings.
    `timestamps`: who stamps a record, its producer or the broker when it appends it.
    """

    name: str
    key: str
    kept: Kept
    written_by: str
    read_by: str
    partitions: int | None = None
    max_message_bytes: int = KAFKA_DEFAULT_MESSAGE_BYTES
    timestamps: Literal["CreateTime", "LogAppendTime"] = "CreateTime"

    @property
    def cleanup(self) -> Literal["delete", "compact"]:
        return "compact" if self.kept == "compacted" else "delete"


TOPICS: Final = (
    # Stamped by the broker: an event's `ts` is held against the time it was appended, and a
    # replay must find the same time again.
    TopicSpec(EVENTS, "workflow", "time", "automations", "monitor", timestamps="LogAppendTime"),
    # Commands and answers are stamped by the broker too: the time between them is measured, and
    # no two hosts' clocks agree.
    TopicSpec(
        COMMANDS,
        "workflow",
        "compacted",
        "monitor, control API",
        "guards",
        timestamps="LogAppendTime",
    ),
    TopicSpec(ACKS, "workflow", "time", "guards", "monitor", timestamps="LogAppendTime"),
    TopicSpec(HEARTBEATS, "workflow", "short", "guards", "monitor", timestamps="LogAppendTime"),
    TopicSpec(AUDIT, "workflow", "long", "monitor, control API", "people, auditors"),
    TopicSpec(ALERTS, "workflow", "time", "monitor", "alert dispatcher"),
    # Holds the largest event whole, with the reason beside it.
    TopicSpec(
        DEAD_LETTERS, "as received", "long", "monitor", "people", max_message_bytes=2 * 1024**2
    ),
    TopicSpec(
        POLICIES, "policy name", "compacted", "andon policy push", "monitor, guards", partitions=1
    ),
    # The second stage: events of all workflows again, by the scope whose breaker a policy moves.
    TopicSpec(SCOPES, "scope", "time", "monitor", "monitor", timestamps="LogAppendTime"),
    # Stamped by the broker: its clock alone says whether an answer came in time.
    TopicSpec(
        APPROVALS,
        "workflow",
        "time",
        "guards, people, control API",
        "guards, people, alert dispatcher",
        timestamps="LogAppendTime",
    ),
    TopicSpec(PERMITS, "workflow", "compacted", "monitor", "guards", timestamps="LogAppendTime"),
)
