"""Documents for tests: valid ones as the contract shows them, and strategies that vary them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from andon.events import By, Capability, Mode, Outcome

REFUND: dict[str, Any] = {
    "event_id": "01938f5e-7d60-7c3e-a1b2-0123456789ab",
    "ts": "2026-01-31T08:00:00.000Z",
    "workflow": "refunds",
    "automation": "refund-agent",
    "capability": "transact",
    "action": "refund.create",
    "target": "ch_1",
    "outcome": "success",
    "value": 129.5,
    "currency": "USD",
}
REVERSAL: dict[str, Any] = {
    "event_id": "01938f5e-7d60-7c3e-a1b2-0123456789ac",
    "ts": "2026-01-31T10:00:00+02:00",
    "workflow": "refunds",
    "automation": "clerk",
    "capability": "transact",
    "action": "refund.cancel",
    "outcome": "success",
    "reverses": REFUND["event_id"],
    "by": "human",
    "reason": "already refunded",
    "labels": {"ticket": 4711},
}
NEEDED = ("event_id", "ts", "workflow", "automation", "capability", "action", "outcome")

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(TEXT, JSON, max_size=3)
OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=OFFSETS | st.just(UTC))


def raw(document: object) -> bytes:
    """The bytes of a record that holds `document`."""
    return json.dumps(document).encode()


def without(document: dict[str, Any], *fields: str) -> dict[str, Any]:
    """A copy that lacks `fields`."""
    return {name: value for name, value in document.items() if name not in fields}


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """Valid events, with any of the optional fields, null where that is allowed."""
    event: dict[str, Any] = {
        "event_id": draw(NAMES),
        "ts": draw(TIMES).isoformat(),
        "workflow": draw(NAMES),
        "automation": draw(NAMES),
        "capability": str(draw(st.sampled_from(Capability))),
        "action": draw(NAMES),
        "outcome": str(draw(st.sampled_from(Outcome))),
    }
    optional = {
        "target": st.none() | TEXT,
        "recipients": st.none() | st.integers(0, 2**53),
        "reverses": st.none() | TEXT,
        "by": st.sampled_from([str(by) for by in By]),
        "mode": st.sampled_from([str(mode) for mode in Mode]),
        "run": st.none() | TEXT,
        "step": st.none() | st.integers(-(2**60), 2**60),
        "reason": st.none() | TEXT,
        "decision": st.none() | OBJECTS,
        "traceparent": st.none() | TEXT,
        "labels": OBJECTS,
    }
    for field in draw(st.sets(st.sampled_from(sorted(optional)))):
        event[field] = draw(optional[field])
    if draw(st.booleans()):
        event["value"] = draw(st.floats(0, 1e12) | st.integers(0, 10**12))
        event["currency"] = draw(st.from_regex(r"[A-Za-z]{3}", fullmatch=True))
    return event


# What a field may become in a wrong hand; most of these are wrong for most fields.
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, -1710, 1.5, "", "x", "x" * 201, "x" * 501, "USD", [], {}, 2**60, "USDX"]
)


@st.composite
def bent_events(draw: st.DrawFn) -> dict[str, Any]:
    """Events with a field replaced, removed, or added; some are still valid."""
    event = draw(events())
    field = draw(st.sampled_from([*event, "value", "currency", "recipients", "extra"]))
    if draw(st.booleans()):
        event[field] = draw(ODD)
    else:
        event.pop(field, None)
    return event
