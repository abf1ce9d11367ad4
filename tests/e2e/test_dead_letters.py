"""What is no event is kept whole with its reason, and the good events around it count."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from andon.events import format_ts
from andon.topics import DEAD_LETTERS, EVENTS
from tests.e2e.harness import Kafka, Monitor, Unique
from tests.eventlog import line

NULL: Any = None


def changed(**fields: Any) -> Any:
    """A record value that would be good but for these fields; `...` leaves one out."""
    fields = {"event_id": "bad", "workflow": "W"} | fields
    event = json.loads(line("bad", 0)) | fields
    return {name: value for name, value in event.items() if value is not ...}


SOON = datetime.now(UTC) + timedelta(hours=6)  # the test may run long after this was read
DEEP = b'{"labels":' * 50_000 + b"1" + b"}" * 50_000

# What makes the record bad, the field that is blamed, and a part of the reason.
BAD: dict[str, tuple[Any, str, str]] = {
    "not json": (b"refund 12 USD", "record", "is not JSON"),
    "empty": (b"", "record", "is not JSON"),
    "no object": (b"[1, 2]", "record", "must be a JSON object, not list"),
    "tombstone": (NULL, "record", "has no value"),
    "wrong utf-8": (b'{"event_id": "\xff\xfe"}', "record", "is not UTF-8 at byte 14"),
    "deep": (DEEP, "record", "is not JSON"),
    "wrong type": (changed(outcome=1), "outcome", "got 1"),
    "another type": (changed(value="12", currency="USD"), "value", "got '12'"),
    "unknown word": (changed(capability="fly"), "capability", "got 'fly'"),
    "missing": (changed(action=...), "action", "is required"),
    "no id": (changed(event_id=...), "event_id", "is required"),
    "no currency": (changed(value=12), "currency", "is required with value"),
    "future": (changed(ts=format_ts(SOON)), "ts", "s ahead of the broker"),
    "no offset": (changed(ts="2026-01-31T08:00:00"), "ts", "RFC 3339"),
    "negative": (changed(value=-1, currency="USD"), "value", "got -1"),
    "nan": (changed(value=float("nan"), currency="USD"), "value", "got nan"),
    "nan elsewhere": (changed(labels={"x": float("nan")}), "record", "NaN is no number"),
    "key": (changed(workflow="another"), "workflow", "must equal the record key"),
    "cloudevent without data": (
        {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"},
        "data",
        "must be the event",
    ),
    "bad cloudevent": (
        {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": changed(ts="now")},
        "ts",
        "RFC 3339",
    ),
    "as large as Kafka takes": (b"x" * 1_048_400, "record", "is not JSON"),
}


def test_bad_records_are_kept_whole_and_the_good_ones_around_them_count(
    kafka: Kafka, monitor: Monitor, unique: Unique
) -> None:
    workflow = unique("letters")
    key = workflow.encode()
    before = {field: monitor.metric("andon_dead_letters_total", field=field) for field in FIELDS}
    rejected = monitor.metric("andon_events_total", fate="rejected")
    log: list[tuple[bytes, bytes | None]] = []
    for place, (content, _, _) in enumerate(BAD.values()):
        log.append((key, raw(content, workflow)))
        log.append((key, line(f"good-{place}", place, workflow=workflow)))
    kafka.produce(log)
    monitor.catch_up(kafka)

    source = [record for record in kafka.read(EVENTS) if record.key == key]
    letters = [record for record in kafka.read(DEAD_LETTERS) if record.key == key]
    for letter, origin, (name, (_, field, reason)) in zip(
        letters, source[::2], BAD.items(), strict=True
    ):
        assert letter.value == origin.value, name
        headers = {header: value.decode() for header, value in letter.headers}
        assert reason in headers.pop("andon-reason"), name
        assert headers == {
            "andon-field": field,
            "andon-topic": EVENTS,
            "andon-partition": str(origin.partition),
            "andon-offset": str(origin.offset),
        }, name
    assert monitor.metric("andon_events_total", fate="rejected") == rejected + len(BAD)
    for field in FIELDS:
        blamed = sum(field == each for _, each, _ in BAD.values())
        assert monitor.metric("andon_dead_letters_total", field=field) == before[field] + blamed

    # The rule pauses at 20 actions: the good ones, no more and no less.
    (trip,) = kafka.commands(workflow)
    assert trip.source is not None
    assert trip.source.offset == source[2 * 19 + 1].offset
    assert (trip.reason.event_ids[0], trip.reason.events) == ("good-19", 20)


FIELDS = {field for _, field, _ in BAD.values()}


def raw(content: Any, workflow: str) -> bytes | None:
    """The bytes of a record; a `W` for a workflow is this one."""
    if content is None or isinstance(content, bytes):
        return content
    return json.dumps(content).replace('"W"', json.dumps(workflow)).encode()


@pytest.mark.parametrize("key", [None, b"\xff\x00"])
def test_the_key_stays_as_it_was(kafka: Kafka, monitor: Monitor, key: bytes | None) -> None:
    value = f"no event under {key!r}".encode()
    kafka.produce([(key, value)])
    monitor.catch_up(kafka)
    (letter,) = [record for record in kafka.read(DEAD_LETTERS) if record.value == value]
    assert letter.key == key


def test_cloudevents_are_read(kafka: Kafka, monitor: Monitor, unique: Unique) -> None:
    workflow = unique("letters")
    key, letters = workflow.encode(), len(kafka.read(DEAD_LETTERS))
    events = [line(f"{workflow}-{n}", n, workflow=workflow) for n in range(20)]
    frame = {"specversion": "1.0", "id": "1", "source": "/refunds", "type": "andon.execute"}
    structured = [json.dumps(frame | {"data": json.loads(event)}).encode() for event in events]
    kafka.produce(
        [(key, value) for value in structured[:10]],
        headers=[("content-type", b"application/cloudevents+json; charset=UTF-8")],
    )
    binary = {f"ce_{name}": value for name, value in frame.items()}
    binary["content-type"] = "application/json"
    kafka.produce(
        [(key, value) for value in events[10:]],
        headers=[(name, value.encode()) for name, value in binary.items()],
    )
    monitor.catch_up(kafka)
    assert len(kafka.read(DEAD_LETTERS)) == letters
    (trip,) = kafka.commands(workflow)
    assert trip.reason.event_ids[0] == f"{workflow}-19"
