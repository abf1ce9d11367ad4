"""The compiled reader against pydantic, on records that are made up and broken."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from andon.errors import EventError
from andon.events import Event, parse_event
from andon.rule import SAME_FIELDS
from detectors.columns import Records
from detectors.decoder import Decoder
from detectors.kernel.reading import millionths
from detectors.plan import compile_book
from detectors.times import micros
from detectors.windows import Windows
from detectors.wire import WireEvent
from tests.eventlog import book

COMPILED = compile_book(
    book(
        {"rate": "error", "over": "1h", "above": "5%", "where": {"target": "x*", "action": "r*"}},
        {"rate": "duplicate", "over": "1h", "at_least": 2, "same": list(SAME_FIELDS), "per": "run"},
        {"rate": "value", "over": "1h", "at_least": 2, "currency": "usd", "per": "automation"},
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
        "2016-12-31T23:59:60.5Z",
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

TOKENS = [
    *(bytes([mark]) for mark in b'{}[],:"\\ -.+eE0159\x00\x1f\x80\xff'),
    *(b"null", b"true", b"NaN", b"1.50", b"1e2", b"12345", b'"x"', b'"a": ', b'"value": '),
    *(b"\\u0061", b"\\ud83d", b"\xc3\xa9", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80"),
]


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
        assert list(columns.events) == []
        return
    assert columns.rejected == []
    (read,) = columns.events
    for field in set(WireEvent.__struct_fields__) - {"ts", "andon_policy"}:
        assert getattr(read, field) == getattr(event, field), field
    (row,) = columns.batch
    assert row["time"] == micros(event.ts)
    assert row["value"] == millionths(event.value or 0.0)
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


def columns_of(raw: bytes) -> list[Any]:
    columns = decoded(raw)
    names = list(columns.workflows)
    found = (columns.batch, columns.groups, columns.policy, columns.kind, columns.record)
    return [*(array.tobytes() for array in found), columns.currencies, names, *columns.event_ids]


@settings(max_examples=300, deadline=None)
@given(CHANGES, st.sampled_from(["event_id", "workflow", "action", "run", "target"]))
def test_what_pydantic_reads_becomes_the_same_columns(changes: dict[str, Any], field: str) -> None:
    fields = GOOD | {"target": "xy"} | changes
    plain = json.dumps(fields, ensure_ascii=False).encode(errors="replace")
    value = fields[field]
    if isinstance(value, str) and value.isascii() and value.isalnum():
        escaped = f"\\u{ord(value[0]):04x}{value[1:]}"
        odd = plain.replace(f'"{field}": "{value}"'.encode(), f'"{field}": "{escaped}"'.encode())
        assert odd != plain
        assert columns_of(odd) == columns_of(plain)


def test_of_thousands_of_broken_records_those_are_taken_that_pydantic_takes() -> None:
    chance = random.Random(1)
    labels = {"a": [1, -0.5e-7, {"é€😀": [True, False, None, {}]}], "b\n": '\u2028\\"', "c": []}
    raw = json.dumps(GOOD | {"labels": labels, "x": labels}, ensure_ascii=False).encode()
    marks = [*b' \t\n"\\{}[]:,.-+eEu0123456789nulltrue\x00\x1f\x7f\x80\xc3\xed\xa0\xff']
    records = []
    for _ in range(20_000):
        record = bytearray(raw)
        for _ in range(chance.choice([1, 1, 1, 2, 5])):
            at = chance.randrange(len(record))
            record[at : at + chance.randrange(3)] = bytes(
                chance.choices(marks, k=chance.randrange(3))
            )
        records.append(bytes(record))
    columns = Decoder(COMPILED, Windows(COMPILED)).read(Records(records))
    errors = {rejected.record: str(rejected.error) for rejected in columns.rejected}
    for place, record in enumerate(records):
        event = parsed(record, None, None)
        assert errors.get(place) == (str(event) if isinstance(event, EventError) else None), record
    assert 1000 < len(columns.events) < 19_000


@settings(max_examples=600, deadline=None)
@given(st.binary(max_size=80) | st.lists(st.sampled_from(TOKENS), max_size=12).map(b"".join))
def test_both_say_the_same_of_any_bytes(raw: bytes) -> None:
    assert_same(raw)
    whole = json.dumps(GOOD).encode()
    assert_same(whole[:-1] + b", " + raw + b"}")  # as one more member
    assert_same(whole.replace(b'"e1"', raw))
    assert_same(whole.replace(b"12.5", raw))


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
