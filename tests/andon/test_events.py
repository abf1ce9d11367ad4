from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from andon.errors import EventError
from andon.events import AHEAD_MAX_S, By, Event, Mode, format_ts, parse_event, parse_ts
from tests.andon.documents import (
    NEEDED,
    REFUND,
    REVERSAL,
    TIMES,
    bent_events,
    events,
    raw,
    without,
)

APPEND_MS = 1_769_846_400_000  # 2026-01-31T08:00:00Z


def problem(record: bytes | None, **context: Any) -> EventError:
    with pytest.raises(EventError) as caught:
        parse_event(record, **context)
    return caught.value


def test_reads_every_field() -> None:
    event = parse_event(raw(REFUND | {"run": "r1", "step": 3, "traceparent": "00-ab-cd-01"}))

    assert event.ts == datetime(2026, 1, 31, 8, tzinfo=UTC)
    assert (event.value, event.currency, event.target) == (129.5, "USD", "ch_1")
    assert (event.by, event.mode) == (By.AUTOMATION, Mode.LIVE)
    assert (event.run, event.step, event.traceparent) == ("r1", 3, "00-ab-cd-01")
    assert parse_event(raw(REVERSAL)).ts == event.ts


def test_ignores_unknown_fields() -> None:
    assert parse_event(raw(REFUND | {"colour": "red"})) == parse_event(raw(REFUND))


def test_reads_a_structured_cloudevent() -> None:
    envelope = {"specversion": "1.0", "id": "1", "source": "/x", "type": "t", "data": REFUND}
    assert parse_event(raw(envelope)) == parse_event(raw(REFUND))
    assert problem(raw({"specversion": "1.0", "data": "text"})).field == "data"
    assert problem(raw(without(envelope, "data"))).field == "data"


@given(events())
def test_writing_and_reading_give_the_same_event(document: dict[str, Any]) -> None:
    event = parse_event(raw(document))
    assert parse_event(event.to_json()) == event
    assert parse_event(event.to_json()).to_json() == event.to_json()


def test_an_event_of_the_sdk_is_read_back_equal() -> None:
    event = Event(**without(REFUND, "event_id"))
    assert uuid.UUID(event.event_id).version == 7
    assert parse_event(event.to_json()) == event


def test_writes_no_null() -> None:
    assert set(json.loads(Event(**REFUND).to_json())) == {*REFUND, "by", "mode", "labels"}


@given(bent_events() | events(), st.booleans())
def test_any_object_is_read_or_refused_with_its_field(
    document: dict[str, Any], escaped: bool
) -> None:
    record = json.dumps(document, ensure_ascii=escaped).encode()
    field = None
    try:
        parse_event(record)
    except EventError as error:
        field = error.field
    assert field is None or field in {*Event.model_fields, "record"}


@given(st.binary(max_size=60))
@example(b"\xff\xfe")
@example(b"null")
def test_any_bytes_are_refused_as_a_record(record: bytes) -> None:
    assert problem(record).field in {"record", "event_id"}


@pytest.mark.parametrize("field", NEEDED)
def test_names_a_missing_field(field: str) -> None:
    error = problem(raw(without(REFUND, field)))
    assert (error.field, error.reason) == (field, "is required")


WRONG = [
    ("event_id", ""),
    ("event_id", "x" * 129),
    ("event_id", 7),
    ("event_id", None),
    ("ts", 1_769_846_400),
    ("ts", "2026-01-31T08:00:00"),
    ("ts", "2026-01-31 08:00:00Z"),
    ("ts", "2026-01-31"),
    ("ts", "2026-02-30T08:00:00Z"),
    ("ts", "2026-01-31T24:00:00Z"),
    ("ts", "2026-01-31T08:00:60Z"),
    ("ts", "2026-01-31T08:00:00Z\n"),
    ("ts", "2026-01-31T08:00:00+24:00"),
    ("ts", "2026-01-31T08:00:00+05:60"),
    ("ts", "٢٠٢٦-01-31T08:00:00Z"),
    ("ts", "0001-01-01T00:00:00+01:00"),
    ("workflow", ""),
    ("workflow", "x" * 201),
    ("workflow", "\ud800"),
    ("automation", ""),
    ("capability", "refund"),
    ("capability", None),
    ("action", "x" * 201),
    ("target", "x" * 501),
    ("target", 5),
    ("outcome", "ok"),
    ("value", -1710),
    ("value", -0.01),
    ("value", "5"),
    ("value", True),
    ("value", 10**400),
    ("value", float("nan")),
    ("value", float("inf")),
    ("currency", None),
    ("currency", "US"),
    ("currency", "USDX"),
    ("currency", "US1"),
    ("currency", "USD\n"),
    ("currency", "ÄÖÜ"),
    ("recipients", -1),
    ("recipients", 1.5),
    ("recipients", "3"),
    ("reverses", 5),
    ("by", "robot"),
    ("by", None),
    ("mode", "test"),
    ("run", 5),
    ("step", "1"),
    ("step", True),
    ("reason", 5),
    ("decision", "because"),
    ("decision", []),
    ("traceparent", 5),
    ("labels", []),
    ("labels", None),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_names_a_wrong_field(field: str, value: object) -> None:
    assert problem(raw(REFUND | {field: value})).field == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("event_id", "x" * 128),
        ("workflow", "x" * 200),
        ("workflow", "返金"),
        ("target", "x" * 500),
        ("target", ""),
        ("target", None),
        ("value", 0),
        ("value", None),
        ("recipients", 0),
        ("step", -1),
        ("ts", "2026-01-31t08:00:00z"),
        ("ts", "2026-01-31T08:00:00.1Z"),
        ("ts", "2026-01-31T08:00:00.123456789+23:59"),
        ("ts", "2026-01-31T08:00:00-00:00"),
    ],
)
def test_takes_what_is_just_within_limits(field: str, value: object) -> None:
    parse_event(raw(REFUND | {field: value}))


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (None, "no value"),
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"x" * 1_000_000, "not JSON"),
        (b'{"ts": "\xff"}', "not UTF-8 at byte 8"),
        (b"[1]", "must be a JSON object, not list"),
        (b'"text"', "must be a JSON object, not str"),
        (b'{"labels":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, "not JSON"),
        (raw(REFUND | {"labels": {"x": float("nan")}}), "not JSON: NaN"),
        (raw(REFUND | {"extra": [float("-inf")]}), "not JSON: -Infinity"),
        (b'{"value": ' + b"9" * 5000 + b"}", "not JSON"),
    ],
)
def test_refuses_a_record_that_is_no_json_object(record: bytes | None, reason: str) -> None:
    error = problem(record)
    assert error.field == "record"
    assert reason in error.reason


def test_the_reason_shows_a_wrong_value_but_not_a_megabyte_of_it() -> None:
    assert problem(raw(REFUND | {"value": -1710})).reason.endswith("got -1710")
    assert len(problem(raw(REFUND | {"action": "x" * 1_000_000})).reason) < 200


def test_the_workflow_must_equal_the_key() -> None:
    parse_event(raw(REFUND), key=b"refunds")
    parse_event(raw(REFUND | {"workflow": "返金"}), key="返金".encode())
    for key in (b"", b"Refunds", b"\xff"):
        assert problem(raw(REFUND), key=key).field == "workflow"


@given(st.integers(0, 999_999))
def test_an_event_may_be_ahead_by_the_limit_and_no_more(microsecond: int) -> None:
    append_ms = APPEND_MS + microsecond // 1000
    limit = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=append_ms, seconds=AHEAD_MAX_S)

    parse_event(raw(REFUND | {"ts": format_ts(limit)}), append_ms=append_ms)
    ahead = REFUND | {"ts": format_ts(limit + timedelta(microseconds=1))}
    assert problem(raw(ahead), append_ms=append_ms).field == "ts"


@pytest.mark.parametrize("append_ms", [0, -1, -(10**15), -(10**18)])
def test_an_event_ahead_of_any_broker_time_is_refused(append_ms: int) -> None:
    assert problem(raw(REFUND), append_ms=append_ms).field == "ts"


def test_an_event_far_behind_the_broker_is_read() -> None:
    parse_event(raw(REFUND), append_ms=10**18)


@given(TIMES)
def test_a_time_survives_its_text(ts: datetime) -> None:
    assert parse_ts(format_ts(ts)) == ts
    assert parse_ts(ts.isoformat()) == ts
    assert parse_ts(ts) == ts


@pytest.mark.parametrize("text", ["1990-12-31T23:59:60Z", "1990-12-31T15:59:60.000-08:00"])
def test_a_leap_second_is_read(text: str) -> None:
    assert parse_ts(text) == datetime(1991, 1, 1, tzinfo=UTC)


def test_a_time_is_written_in_milliseconds_where_that_is_exact() -> None:
    ts = datetime(2026, 1, 31, 8, tzinfo=UTC)
    assert format_ts(ts) == "2026-01-31T08:00:00.000Z"
    assert format_ts(ts + timedelta(microseconds=1)) == "2026-01-31T08:00:00.000001Z"


def test_a_datetime_without_an_offset_is_refused() -> None:
    with pytest.raises(ValidationError, match="must carry an offset"):
        Event(**REFUND | {"ts": datetime(2026, 1, 31, 8)})


def test_an_event_cannot_be_changed() -> None:
    event = parse_event(raw(REFUND))
    with pytest.raises(ValidationError, match="frozen"):
        event.value = 5.0  # type: ignore[misc]
