"""People are told of what guards ask them, as long as they can still answer."""

from __future__ import annotations

import time

from andon.alert_text import title
from andon.approvals import ApprovalRecord, Ask
from andon.breaker import State
from andon.commands import Alert, Reason
from andon.ids import derived_id
from andon.reopening import Reopening


def question(record: ApprovalRecord, at_ms: int) -> Alert | None:
    """The alert of a question that the broker took at `at_ms`, Unix milliseconds; None where it is
    none, or cannot be answered any more.

    Raises ValidationError, of pydantic, where it is a person's and does not say what they want.
    """
    if not isinstance(record, Ask) or time.time() * 1000 > at_ms + record.expires_s * 1000:
        return None
    money = f", {record.value:,.2f} {record.currency}" if record.value is not None else ""
    target = f" of {record.target}" if record.target else ""
    two = " (two people have to)" if record.people > 1 else ""
    reason = Reason(text=f"{record.action}{target}{money}{two}: {'; '.join(record.reasons)}")
    stands = Reopening.model_validate_json(record.arguments) if record.reopens else None
    return Alert(
        alert_id=derived_id("question", record.request_id),
        kind="review_needed",
        workflow=record.workflow,
        generation=stands.generation if stands else 0,
        state=stands.state if stands else State.CLOSED,
        severity="warning",
        since=record.issued_at,
        title=title("review_needed", record.workflow, reason),
        reason=reason,
        resume=f'andon approvals approve {record.request_id} --reason "why it is right"',
        note=f"its arguments: andon approvals show {record.request_id}",
    )
