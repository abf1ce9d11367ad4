"""Questions, answers and orders for tests: examples, and strategies that vary them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from andon.approvals import Answer, ApprovalRecord, Ask, Claim, Done, Undo
from andon.events import parse_event
from tests.andon.documents import NAMES, REFUND, TEXT, TIMES, raw

_BOTH: dict[str, Any] = {"request_id": "3f2a9c01b7d4", "workflow": "refunds"}
_ISSUED: dict[str, Any] = {"issued_at": "2026-01-31T08:00:00.000Z"}
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

APPROVALS: dict[str, dict[str, Any]] = {
    "ask": _BOTH
    | _ISSUED
    | {
        "kind": "ask",
        "issued_by": "automation:refund-bot",
        "guard": "host-17-abc",
        "capability": "transact",
        "action": "refund.create",
        "target": "ch_1",
        "value": 2500.0,
        "currency": "USD",
        "recipients": None,
        "arguments": '{"charge": "ch_1", "amount": 2500}',
        "digest": DIGEST,
        "reasons": ["value: 2,500 USD in one action, 2,000 USD is the most"],
        "people": 2,
        "expires_s": 3600,
        "rehearsed": "'would refund 2500'",
        "reopens": None,
        "signature": None,
    },
    "answer": _BOTH
    | _ISSUED
    | {
        "kind": "answer",
        "issued_by": "user:ana",
        "verdict": "approve",
        "digest": DIGEST,
        "reason": "the customer is right",
    },
    "undo": _BOTH
    | _ISSUED
    | {
        "kind": "undo",
        "issued_by": "user:ana",
        "event": REFUND,
        "reason": "refunded twice",
        "expires_s": 60,
    },
    "claim": _BOTH | {"kind": "claim", "claim_id": "c-1", "guard": "host-17-abc"},
    "done": _BOTH
    | {
        "kind": "done",
        "guard": "host-17-abc",
        "outcome": "success",
        "event_id": "0198-1",
        "reason": None,
    },
}

_IDS = {"request_id": NAMES, "workflow": NAMES}
_PEOPLE = NAMES.filter(lambda name: "\n" not in name).map("user:{}".format)


def approvals() -> st.SearchStrategy[ApprovalRecord]:
    """Records of every kind."""
    return (
        st.builds(
            Ask,
            **_IDS,
            issued_at=TIMES,
            issued_by=_PEOPLE,
            value=st.none() | st.floats(0, 1e12),
            currency=st.sampled_from([None, "USD"]),
            recipients=st.none() | st.integers(0, 2**53),
            target=st.none() | TEXT,
            arguments=TEXT,
            digest=st.just(DIGEST),
            reasons=st.lists(TEXT, max_size=2),
            people=st.integers(1, 2),
            expires_s=st.integers(1, 10**6),
            reopens=st.none() | st.integers(1, 2**53),
        )
        | st.builds(
            Answer,
            **_IDS,
            issued_at=TIMES,
            issued_by=_PEOPLE,
            verdict=st.sampled_from(["approve", "deny"]),
            digest=st.just(DIGEST),
        )
        | st.builds(
            Undo,
            **_IDS,
            issued_at=TIMES,
            issued_by=_PEOPLE,
            event=st.just(parse_event(raw(REFUND))),
            expires_s=st.integers(1, 10**6),
        )
        | st.builds(Claim, **_IDS)
        | st.builds(Done, **_IDS, outcome=st.sampled_from(["success", "error"]))
    )
