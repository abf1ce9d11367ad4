"""What is written down when the policies of a running monitor change, or are refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from andon.alert_text import title
from andon.breaker import State
from andon.commands import EVERY_WORKFLOW, Alert, Audit, Position, Reason
from andon.errors import FileError
from andon.ids import derived_id, uuid7
from andon.policy import PolicyBook

CROSSED_SHOWN = 5


def begun(
    policies: PolicyBook,
    at: Position,
    before: PolicyBook | None = None,
    crossed: Sequence[tuple[str, str]] = (),
) -> Audit:
    """The audit line of a partition that is judged by these policies from a position on.

    Args:
        policies: those in force from now on.
        at: the first record that they judge.
        before: those in force until then, where this worker knows them.
        crossed: workflows and rules that are beyond their bound already.
    """
    after, previous = policies.fingerprint, before and before.fingerprint
    text = f"policies {after} judge {at.topic} {at.partition} from offset {at.offset} on"
    if crossed:
        shown = ", ".join(f"{workflow} ({rule})" for workflow, rule in crossed[:CROSSED_SHOWN])
        more = len(crossed) - CROSSED_SHOWN
        shown += f" and {more:,} more" if more > 0 else ""
        text += f"; beyond a bound already, which is told when it is crossed again: {shown}"
    return Audit(
        audit_id=uuid7(),
        ts=datetime.now(UTC),
        kind="policy-changed",
        workflow=EVERY_WORKFLOW,
        reason=Reason(text=text),
        source=at,
        policies=after,
        previous_policies=previous,
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
