"""What became of deliveries, as audit lines."""

from __future__ import annotations

from datetime import UTC, datetime

from andon.commands import Alert, Audit, Position, Reason
from andon.ids import derived_id
from streams.actuators import pulls
from streams.lane import Outcome


def delivery_of(outcome: Outcome, source: Position) -> Audit:
    """The audit line of an alert that a receiver took, or did not."""
    alert = outcome.alert
    result = f"not delivered: {outcome.failure}" if outcome.failure else "delivered"
    attempts = f"attempt {outcome.attempts}" if outcome.attempts else "no attempt"
    return Audit(
        audit_id=derived_id("delivery", alert.alert_id, outcome.receiver),
        ts=datetime.now(UTC),
        kind="delivery",
        workflow=alert.workflow,
        actor=f"receiver:{outcome.receiver}",
        state=alert.state,
        generation=alert.generation,
        reason=Reason(text=f"alert {alert.alert_id} ({alert.kind}) {result} at {attempts}"),
        source=source,
    )


def actuation(outcome: Outcome, source: Position) -> Audit:
    """The audit line of a lever that was moved, or was not."""
    alert, attempts = outcome.alert, outcome.attempts
    lever = "lever pulled" if pulls(alert) else "lever let go"
    result = f"failed: {outcome.failure}" if outcome.failure else f"at attempt {attempts}"
    return delivery_of(outcome, source).model_copy(
        update={
            "kind": "actuated",
            "actor": f"actuator:{outcome.receiver}",
            "reason": Reason(text=f"{lever} for alert {alert.alert_id} {result}"),
        }
    )


def held_back(alert: Alert, cause: str, source: Position) -> Audit:
    """The audit line of an alert that went to nobody: another one tells of its cause."""
    return Audit(
        audit_id=derived_id("inhibited", alert.alert_id),
        ts=datetime.now(UTC),
        kind="delivery",
        workflow=alert.workflow,
        actor="dispatcher",
        state=alert.state,
        generation=alert.generation,
        reason=Reason(text=f"alert {alert.alert_id} ({alert.kind}) held back: {cause} tells of it"),
        source=source,
    )
