"""What has to be done about a batch, as data: every command, audit line and alert.

Ids are derived from what caused them, so that a replay writes the same records again.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Literal, NamedTuple

from andon.alert_text import resume_command, title
from andon.breaker import Breaker, Cause, State
from andon.commands import Alert, AlertKind, Audit, Command, Reason, Reopened
from andon.ids import derived_id
from andon.policy import Policy, Slow, Trial
from detectors.columns import Columns, Rejected
from detectors.detections import Detection
from detectors.times import moment

_ALERTS: dict[State, AlertKind] = {
    State.OPEN: "paused",
    State.FORCED_OPEN: "paused",
    State.HALF_OPEN: "on_trial",
    State.CLOSED: "resumed",
}


COARSE = (
    "more events than are held one by one: the older half is held in steps of 1/512 of its age; "
    "cohort reversals, duplicates and steps look at the newer half"
)


class Leak(NamedTuple):
    """An action that took effect although its workflow was paused."""

    workflow: str
    generation: int
    ts_us: int
    event_id: str
    automation: str
    value: float | None
    currency: str | None


class Effects(NamedTuple):
    """Records to write, each list in order, and what is only counted."""

    commands: list[Command]
    audits: list[Audit]
    alerts: list[Alert]
    rejected: list[Rejected]
    detections: list[Detection]
    leaks: list[Leak]
    unconverted: Counter[tuple[str, str]]  # actions (see detectors.unconverted)
    held_back: list[Detection]  # that did not pause, because too many did

    @classmethod
    def none(cls) -> Effects:
        """Nothing to do yet."""
        return cls([], [], [], [], [], [], Counter(), [])


class Move(NamedTuple):
    """One step of a breaker, and the event of the batch that brought it about."""

    columns: Columns
    at: int
    before: Breaker
    after: Breaker
    cause: Cause
    policy: Policy
    reason: Reason
    trips: int | None
    limited_until: datetime | None
    reopened: Reopened | None

    @property
    def workflow(self) -> str:
        """Whose breaker it is."""
        return self.columns.events[self.at].workflow

    @property
    def ts(self) -> datetime:
        """When the event took effect."""
        return moment(int(self.columns.batch["time"][self.at]))

    def id(self, kind: str) -> str:
        """The same for the same step, on every replay."""
        event_id = self.columns.events[self.at].event_id
        return derived_id(kind, self.workflow, self.after.generation, self.cause, event_id)


def write_down(effects: Effects, move: Move) -> None:
    """Tell the guards, the auditors and the people."""
    effects.commands.append(_command(move))
    effects.audits.append(_transition(move))
    effects.alerts.append(_alert(move))


def _command(move: Move) -> Command:
    recover = move.policy.recover
    dealt: Trial | Slow = recover.trial
    if move.limited_until and recover.slow:
        dealt = recover.slow
    on_trial = move.after.state is State.HALF_OPEN
    return Command(
        command_id=move.id("command"),
        workflow=move.workflow,
        generation=move.after.generation,
        state=move.after.state,
        reason=move.reason,
        issued_at=move.ts,
        issued_by="monitor",
        permits=dealt.permits if on_trial else None,
        previous=move.before.state,
        source=move.columns.source(move.at),
        cause=move.cause,
        permits_every_s=None if move.after.state is State.CLOSED else dealt.every,
        trips=move.trips,
        limited_until=move.limited_until,
        targets=_targets(move.policy),
        second_person_s=recover.second_person,
        reopened=move.reopened,
    )


def _targets(policy: Policy) -> list[str] | None:
    """What guards need of a policy to know the targets of its scope."""
    return list(policy.match.target or ()) if policy.breaker.target is not None else None


def _transition(move: Move) -> Audit:
    return Audit(
        audit_id=move.id("audit"),
        ts=move.ts,
        kind="transition",
        workflow=move.workflow,
        state=move.after.state,
        previous=move.before.state,
        generation=move.after.generation,
        mode=move.policy.mode,
        reason=move.reason,
        source=move.columns.source(move.at),
    )


def _alert(move: Move) -> Alert:
    kind = _ALERTS[move.after.state]
    alerting = move.policy.alert
    return Alert(
        alert_id=move.id("alert"),
        kind=kind,
        workflow=move.workflow,
        generation=move.after.generation,
        state=move.after.state,
        severity=alerting.severity if kind == "paused" else "info",
        since=move.ts,
        title=title(kind, move.workflow, move.reason),
        reason=move.reason,
        resume=resume_command(move.workflow),
        runbook=alerting.runbook,
        receivers=list(alerting.receivers),
    )


def detected(
    detection: Detection,
    columns: Columns,
    generation: int,
    kind: Literal["detection", "held-back"] = "detection",
) -> Audit:
    """The audit line of a detection, whether or not it pauses anything, or of one held back."""
    return Audit(
        audit_id=derived_id(
            kind,
            *(detection.workflow, detection.policy.name, detection.rule.name, detection.event_id),
        ),
        ts=moment(detection.ts_us),
        kind=kind,
        workflow=detection.workflow,
        generation=generation,
        mode=detection.policy.mode,
        reason=detection.reason(),
        events=detection.events,
        source=columns.source(detection.at),
    )


def noted(
    kind: Literal["late", "leak", "coarse"],
    columns: Columns,
    index: int,
    text: str,
    events: int = 1,
) -> Audit:
    """The audit line of an event that was late, that ran while its workflow was paused, or with
    which there were too many to hold each by itself.
    """
    event = columns.events[index]
    return Audit(
        audit_id=derived_id(kind, event.workflow, event.event_id),
        ts=moment(int(columns.batch["time"][index])),
        kind=kind,
        workflow=event.workflow,
        reason=Reason(text=text, event_ids=[event.event_id]),
        events=events,
        source=columns.source(index),
    )
