"""What is written down when the policies of a running monitor change, or are refused."""

from __future__ import annotations

from datetime import UTC, datetime

from andon.alert_text import title
from andon.breaker import State
from andon.commands import EVERY_WORKFLOW, Alert, Audit, Position, Reason
from andon.errors import FileError
from andon.ids import derived_id
from andon.policy import PolicyBook


def changed(old: PolicyBook, new: PolicyBook, at: Position) -> Audit:
    """The audit line of a partition that is judged by other policies from a position on."""
    before, after = old.fingerprint, new.fingerprint
    text = f"policies {after} in place of {before} from {at.topic} {at.partition}:{at.offset} on"
    return Audit(
        audit_id=derived_id("policy-changed", at.topic, at.partition, at.offset, before, after),
        ts=datetime.now(UTC),
        kind="policy-changed",
        workflow=EVERY_WORKFLOW,
        reason=Reason(text=text),
        source=at,
        policies=after,
        previous_policies=before,
    )


def refused(holds: PolicyBook, error: FileError, check: str) -> tuple[Audit, Alert]:
    """The audit line and the alert of policies that cannot be used; `check` is a command."""
    now = datetime.now(UTC)
    # Workers that share the file find the mistakes together: people hear of them once.
    identity = (f"{now:%Y-%m-%d %H:%M}", holds.fingerprint, str(error))
    count = len(error.problems)
    found = "a mistake" if count == 1 else f"{count} mistakes"
    reason = Reason(text=f"{found}; {holds.fingerprint} stays in force: {error}")
    audit = Audit(
        audit_id=derived_id("policy-refused", *identity),
        ts=now,
        kind="policy-refused",
        workflow=EVERY_WORKFLOW,
        reason=reason,
        policies=holds.fingerprint,
    )
    alert = Alert(
        alert_id=derived_id("policy-refused-alert", *identity),
        kind="policy_refused",
        workflow=EVERY_WORKFLOW,
        generation=0,
        state=State.CLOSED,
        severity="error",
        since=now,
        title=title("policy_refused", EVERY_WORKFLOW, reason),
        reason=reason,
        resume=check,
    )
    return audit, alert
