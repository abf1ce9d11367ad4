"""Finds one event in the log, and what has undone it."""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple

from andon.errors import EventError
from andon.events import Event, parse_event
from andon.topics import EVENTS
from streams.topic_reader import open_topics

MARGIN_MS = 10 * 60 * 1000
"""How far the clock of an automation may be ahead of the broker's for its events to be found."""


class Found(NamedTuple):
    """An event, and the reversals of it, oldest first. None where the log does not have it."""

    event: Event | None
    reversals: list[Event]


async def find_event(bootstrap_servers: str, event_id: str) -> Found:
    """Read the log for an event: a UUIDv7 tells where to begin, any other id from its beginning.

    Raises:
        BrokerError: no broker, or no topic.
    """
    async with open_topics(bootstrap_servers, EVENTS) as reader:
        if made_ms := _made_ms(event_id):
            await reader.begin_at(made_ms - MARGIN_MS)
        naming = event_id.encode()
        records = [r async for r in reader.new_records() if naming in (r.value or b"")]
        return _found(event_id, records)


def _made_ms(event_id: str) -> int | None:
    """When a UUIDv7 was made, Unix milliseconds."""
    try:
        made = uuid.UUID(event_id)
    except ValueError:
        return None
    return made.int >> 80 if made.version == 7 else None


def _found(event_id: str, records: list[Any]) -> Found:
    event, reversals = None, []
    for record in records:
        try:
            told = parse_event(record.value, key=record.key)
        except EventError:
            continue
        if told.event_id == event_id:
            event = event or told
        elif told.reverses == event_id:
            reversals.append(told)
    return Found(event, reversals)
