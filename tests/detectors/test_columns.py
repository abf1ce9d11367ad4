"""The fast decoder against pydantic, on records that hypothesis makes up and breaks."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from andon.errors import EventError
from andon.events import Event, parse_event
from andon.policy_file import parse_policies
from detectors.columns import Decoder, Records
from detectors.plan import MICRO, compile_book
from detectors.times import micros
from detectors.windows import Windows

COMPILED = compile_book(
    parse_policies(
        "version: 1\npolicies: [{name: a, rules: [{name: b, rate: error, over: 1h, above: 5%}]}]"
    )
)
GOOD: dict[str, Any] = {
    "event_id": "e1",
    "ts": "2026-01-31T08:00:00Z",
    "workflow": "refunds",
    "automation": "bot",
    "capability": "transact",
    "action": "refund.create",
    "outcome": "success",
    "target": None,
    "value": 12.5,
    "currency": "USD",
    "recipients": 3,
    "reverses": None,
    "by": "human",
    "mode": "shadow",
    "run": "r",
    "step": 4,
    "reason": "",
    "decision": {"saw": [1, {"x": None}]},
    "traceparent": None,
    "labels": {"a": 1},
}
TIMES = st.datetimes().map(str) | st.sampled_from(
    [
        "2026-01-31T08:00:00.123456789+05:30",
        "2026-01-31t08:00:00z",
        "2024-02-29T23:59:59.9Z",
        "2026-02-29T00:00:00Z",
        "2026-01-31T08:00:60Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31 08:00:00Z",
        "2026-01-31T08:00:00",
        "2026-01-31T08:00:00.Z",
        "0001-01-01T00:00:00+23:59",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "2026-1-31T08:00:00Z",
        "２026-01-31T08:00:00Z",
    ]
)
NUMBERS = st.integers() | st.floats() | st.sampled_from([2**53, 2**53 + 1, -0.0, 1e308, 10**400])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5) | TIMES,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
WORDS = st.text(max_size=4) | st.sampled_from(
    ["x" * 128, "x" * 129, "x" * 201, "x" * 501, "é" * 200]
)
FIELDS = st.sampled_from([*GOOD, "specversion", "data", "surprise"])
CHANGES = st.dictionaries(
    FIELDS, JSON | WORDS | TIMES | st.sampled_from(["EUR", "usd", "U1D"]), max_size=3
)


def decoded(raw: bytes, key: bytes | None = None, append_ms: int | None = None) -> Any:
    appended = None if append_ms is None else np.array([append_ms], np.int64)
    return Decoder(COMPILED, Windows(COMPILED)).read(Records([raw], [key], appended))


def parsed(raw: bytes, key: bytes | None, append_ms: int | None) -> Event | EventError:
    try:
        return parse_event(raw, key=key, append_ms=append_ms)
    except EventError as error:
        return error


def assert_same(raw: bytes, key: bytes | None = None, append_ms: int | None = None) -> None:
    columns = decoded(raw, key, append_ms)
    event = parsed(raw, key, append_ms)
    if isinstance(event, EventError):
        assert [str(rejected.error) for rejected in columns.rejected] == [str(event)]
        assert columns.events == []
        return
    assert columns.rejected == []
    (read,) = columns.events
    for field in Event.model_fields.keys() - {"ts", "decision", "labels"}:
        assert getattr(read, field) == getattr(event, field), field
    (row,) = columns.batch
    assert row["time"] == micros(event.ts)
    assert row["value"] == (
        round(event.value * MICRO)
        if event.value is not None and event.value < 1e15
        else row["value"]
    )
    assert row["recipients"] == (event.recipients or 0)


@settings(max_examples=600, deadline=None)
@given(CHANGES, st.sets(st.sampled_from(list(GOOD)), max_size=2), st.booleans())
@example({"value": float("nan")}, set(), True)
@example({"value": -1}, set(), True)
@example({"value": 5}, {"currency"}, True)
@example({"specversion": "1.0", "data": {}}, set(), True)
def test_both_decoders_say_the_same(
    changes: dict[str, Any], missing: set[str], ascii_: bool
) -> None:
    fields = {name: value for name, value in (GOOD | changes).items() if name not in missing}
    try:
        raw = json.dumps(fields, ensure_ascii=ascii_).encode()
    except UnicodeEncodeError:  # a lone surrogate, which no UTF-8 text can hold
        raw = json.dumps(fields).encode()
    assert_same(raw)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 400), st.binary(max_size=3), st.integers(0, 3))
def test_both_say_the_same_of_broken_bytes(at: int, put: bytes, cut: int) -> None:
    raw = json.dumps(GOOD).encode()
    assert_same(raw[:at] + put + raw[at + cut :])


@settings(max_examples=200, deadline=None)
@given(TIMES)
def test_both_read_the_same_times(ts: str) -> None:
    assert_same(json.dumps(GOOD | {"ts": ts}).encode())


@pytest.mark.parametrize(
    "raw",
    [b"", b"null", b"[]", b'"x"', b"\xff", b"\xef\xbb\xbf{}", b"[" * 100_000, b'{"a":' * 5000],
)
def test_both_refuse_what_is_no_object(raw: bytes) -> None:
    assert_same(raw)


@pytest.mark.parametrize("key", [b"refunds", b"other", b"", b"\xff"])
def test_the_key_must_be_the_workflow(key: bytes) -> None:
    assert_same(json.dumps(GOOD).encode(), key)
    assert [r.error.field for r in decoded(json.dumps(GOOD).encode(), key).rejected] == (
        [] if key == b"refunds" else ["workflow"]
    )


@pytest.mark.parametrize(("late_ms", "fields"), [(0, ["ts"]), (1, []), (10**9, [])])
def test_an_event_may_run_five_minutes_ahead_of_the_broker(late_ms: int, fields: list[str]) -> None:
    event_ms = micros(parse_event(json.dumps(GOOD).encode()).ts) // 1000
    append_ms = event_ms - 300_000 - 1 + late_ms
    assert_same(json.dumps(GOOD).encode(), append_ms=append_ms)
    columns = decoded(json.dumps(GOOD).encode(), append_ms=append_ms)
    assert [rejected.error.field for rejected in columns.rejected] == fields


def test_a_tombstone_is_rejected() -> None:
    (rejected,) = Decoder(COMPILED, Windows(COMPILED)).read(Records([None])).rejected
    assert rejected.error.field == "record"


def test_a_structured_cloudevent_carries_an_event() -> None:
    envelope = {"specversion": "1.0", "id": "x", "type": "y", "source": "z", "data": GOOD}
    columns = decoded(json.dumps(envelope).encode(), b"refunds")
    assert [event.event_id for event in columns.events] == ["e1"]


def test_rejects_keep_the_places_of_the_others() -> None:
    good = json.dumps(GOOD).encode()
    columns = Decoder(COMPILED, Windows(COMPILED)).read(Records([b"{", good, b"", good]))
    assert [rejected.record for rejected in columns.rejected] == [0, 2]
    assert list(columns.record) == [1, 3]
