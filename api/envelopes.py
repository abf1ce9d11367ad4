"""How events may come over HTTP: alone, many at once, a line each, or as CloudEvents 1.0."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from andon.errors import EventError
from andon.events import Event, parse_event
from api.problems import FieldProblem

JSON = "application/json"
LINES = "application/x-ndjson"
CLOUDEVENT = "application/cloudevents+json"
CLOUDEVENTS = "application/cloudevents-batch+json"
MEDIA_TYPES = (JSON, LINES, CLOUDEVENT, CLOUDEVENTS)
ATTRIBUTES = ("specversion", "id", "source", "type")
"""What every CloudEvent has to tell of itself."""


def events_in(
    media_type: str, headers: Mapping[str, str], body: bytes
) -> tuple[list[Event], list[FieldProblem]]:
    """The events of a request, and every mistake in it."""
    events: list[Event] = []
    problems: list[FieldProblem] = []
    try:
        items, single = _items(media_type, headers, body)
    except EventError as error:
        return [], _told(error, None)
    now_ms = time.time_ns() // 1_000_000
    for place, raw in enumerate(items):
        try:
            if media_type in (CLOUDEVENT, CLOUDEVENTS):
                _check_cloudevent(json.loads(raw), "")
            events.append(parse_event(raw, append_ms=now_ms))
        except EventError as error:
            problems += _told(error, None if single else place)
        except (ValueError, RecursionError) as error:
            problems += _told(EventError("record", f"is not JSON: {error}"), place)
    return events, problems


def _items(media_type: str, headers: Mapping[str, str], body: bytes) -> tuple[list[bytes], bool]:
    """Each event's JSON, and whether there is just one. Raises EventError."""
    if media_type == LINES:
        return [line for line in body.splitlines() if line.strip()], False
    if any(name.startswith("ce-") for name in headers):
        _check_cloudevent({name: headers.get(f"ce-{name}") for name in ATTRIBUTES}, "ce-")
        return [body], True
    if media_type == CLOUDEVENTS or (media_type == JSON and body.lstrip()[:1] == b"["):
        return list(_array(body)), False
    return [body], True


def _array(body: bytes) -> Iterator[bytes]:
    try:
        items = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise EventError("record", f"is not JSON: {error}") from None
    if not isinstance(items, list):
        raise EventError("record", f"must be a JSON array, not {type(items).__name__}")
    for item in items:
        yield json.dumps(item).encode()


def _check_cloudevent(envelope: Any, prefix: str) -> None:
    """Raises EventError."""
    if not isinstance(envelope, dict):
        raise EventError("record", "must be a CloudEvent, which is a JSON object")
    for name in ATTRIBUTES:
        if not isinstance(envelope.get(name), str) or not envelope[name]:
            raise EventError(prefix + name, "is required of a CloudEvent")
    if envelope["specversion"] != "1.0":
        raise EventError(f"{prefix}specversion", "must be 1.0")


def _told(error: EventError, index: int | None) -> list[FieldProblem]:
    return [FieldProblem(field=e.field, detail=e.reason, index=index) for e in error.all]
