"""Short ways to write event logs and policy books in tests."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from andon.events import format_ts
from andon.policy import PolicyBook

START = datetime(2026, 1, 31, 8, tzinfo=UTC)


def line(event_id: str, at: float, **fields: Any) -> bytes:
    """One record, `at` seconds after the start: a successful refund unless told otherwise."""
    event = {
        "event_id": event_id,
        "ts": format_ts(START + timedelta(seconds=at)),
        "workflow": "refunds",
        "automation": "agent-1",
        "capability": "transact",
        "action": "refund.create",
        "outcome": "success",
    }
    return json.dumps(event | fields).encode()


def book(*rules: dict[str, Any], **policy: Any) -> PolicyBook:
    """One policy of these rules; each is named after its place unless it has a name."""
    named = [{"name": f"rule-{place}"} | rule for place, rule in enumerate(rules)]
    return book_of({"name": "only", "rules": named} | policy)


def book_of(*policies: dict[str, Any], **top: Any) -> PolicyBook:
    """Several policies, in order."""
    return PolicyBook.model_validate({"version": 1, "policies": list(policies)} | top)
