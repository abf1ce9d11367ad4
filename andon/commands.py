"""What the monitor and people tell guards, what guards answer, and what is written down of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from andon.breaker import Cause, State
from andon.events import Name, Timestamp

EVIDENCE_MAX = 20
"""How many event ids a reason carries at the most."""

Issuer = Annotated[str, Field(pattern=r"^(monitor|user:.+)$")]
Money = dict[str, float]
"""Sums by currency."""


class Record(BaseModel):
    """Read tolerantly, so that a newer writer does not stop an older reader."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    def to_json(self) -> bytes:
        """The record value, UTF-8 JSON; the same bytes for the same content."""
        return self.model_dump_json().encode()


class Position(Record):
    """The place in the event log whose record brought this about."""

    topic: str
    partition: int
    offset: int


class Usual(Record):
    """What a bound against the workflow's own history was made of: the larger of factor times
    level, and floor."""

    level: float = Field(description="what was usual, in the unit of `observed`")
    factor: float
    floor: float
    taken_from: Literal["hour of the week", "busy days", "no history"]
    samples: int = Field(description="so many weeks, or days, stand behind it")
    hour: str = Field(description="the hour of the week, as in Tuesday 14:00; in UTC")


class Reason(Record):
    """Why a breaker moved. Without a rule (a person did it) only `text` is set."""

    text: str
    rule: str | None = None
    rate: str | None = None
    observed: float | None = None
    bound: float | None = None
    window_s: float | None = None
    events: int | None = None
    event_ids: list[str] = Field(default_factory=list, max_length=EVIDENCE_MAX)
    group: dict[str, Any] | None = None
    policy: str | None = None
    policy_version: str | None = None
    value: Money = Field(default_factory=dict, description="money moved within the window")
    usual: Usual | None = Field(None, description="of a rule such as `above: 4x usual`")


class Reopened(Record):
    """When people last let a workflow go that was paused or on trial."""

    at: Timestamp
    by: list[str] = Field(description="`user:` and a name: who said so, then who approved it")
    generation: Annotated[int, Field(ge=1)] = Field(description="of the command that let it go")


class Command(Record):
    """The state a workflow's guards must obey from now on; the highest generation wins."""

    command_id: str
    workflow: Name
    generation: Annotated[int, Field(ge=1)]
    state: State
    reason: Reason
    issued_at: Timestamp
    issued_by: Issuer
    expires_at: Timestamp | None = None
    permits: Annotated[int, Field(ge=0)] | None = None
    signature: str | None = None
    previous: State | None = Field(None, description="the state before this command")
    source: Position | None = Field(None, description="the event that caused it, if one did")
    targets: list[str] | None = Field(
        None, description="of a target's scope: globs of its targets; null: the name alone"
    )
    cause: Cause | None = Field(None, description="what moved the breaker")
    permits_every_s: Annotated[int, Field(ge=1)] | None = Field(
        None, description="permits are for all guards together, anew in each so many seconds"
    )
    trips: Annotated[int, Field(ge=0)] | None = Field(
        None, description="pauses in a row, fewer after time in health: the more, the longer each"
    )
    limited_until: Timestamp | None = Field(
        None, description="the trial is passed; its first event from then on ends the limited rate"
    )
    second_person_s: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="so long after `reopened` it takes two people to let it go: as the policy said "
        "when the monitor last moved the breaker",
    )
    reopened: Reopened | None = Field(
        None, description="carried on by each command, so that the last one tells it by itself"
    )


class Ack(Record):
    """A guard obeys `generation` since `applied_at`."""

    workflow: Name
    generation: int
    guard: str
    automation: str
    applied_at: Timestamp
    in_flight: Annotated[int, Field(ge=0)] = 0


class Heartbeat(Record):
    """A guard lives: what it obeys now, and how many actions run. `leaving` is its last word."""

    workflow: Name
    guard: str
    automation: str
    at: Timestamp
    generation: Annotated[int, Field(ge=0)] = Field(description="0 before any command was heard")
    state: State
    in_flight: Annotated[int, Field(ge=0)] = 0
    leaving: bool = False
    wants: Annotated[int, Field(ge=0)] = Field(
        0, description="actions turned away for want of a permit since the last deal"
    )


EVERY_WORKFLOW = "*"
"""The `workflow` of what concerns all of them: a change of the policies."""

AuditKind = Literal[
    "detection",
    "transition",
    "late",
    "ack",
    "leak",
    "coarse",
    "not-obeyed",
    "delivery",
    "actuated",
    "policy-changed",
    "policy-refused",
    "approval",
    "policy-pushed",
    "undo",
    "held-back",
    "target-down",
]


class Audit(Record):
    """One line of the record that auditors read: what Andon saw or did, and why."""

    audit_id: str
    ts: Timestamp
    kind: AuditKind
    workflow: str
    actor: str = "monitor"
    state: State | None = None
    previous: State | None = None
    generation: int | None = None
    mode: str | None = None
    reason: Reason | None = None
    events: int | None = Field(None, description="how many events this line stands for")
    source: Position | None = None
    policies: str | None = Field(None, description="version of all policies, where they changed")
    previous_policies: str | None = Field(None, description="the version before")


AlertKind = Literal[
    "paused",
    "on_trial",
    "resumed",
    "shadowed",
    "disabled",
    "would_pause",
    "not_obeyed",
    "policy_refused",
    "review_needed",
    "held_back",
    "canary_passed",
    "canary_failed",
    "canary_silent",
    "canary_back",
    "target_down",
    "test",
]


class Alert(Record):
    """What a person on call is told. Every line a receiver shows is here; none has to ask back."""

    alert_id: str
    kind: AlertKind
    workflow: str
    generation: int
    state: State
    severity: Literal["critical", "error", "warning", "info"]
    since: Timestamp
    title: str
    reason: Reason
    issued_by: Issuer = "monitor"
    resume: str = Field(description="the command that lets the workflow run again")
    runbook: str | None = None
    receivers: list[str] = Field(default_factory=list, description="empty: the default route")
    note: str | None = Field(None, description="what the dispatcher has to add for the reader")
    next_by: Timestamp | None = Field(
        None, description="of a canary's round: by then there must have been another"
    )
    target: str | None = Field(None, description="the scope of the target that it failed on")
