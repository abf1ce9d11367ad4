"""The log that is measured on is one that Andon understands, with what windows have to do."""

from __future__ import annotations

import json
from datetime import timedelta

from andon.events import Event, parse_event
from bench.events import events

LOG = [parse_event(value, key=key) for key, value in events(20_000, 500)]


def test_every_event_carries_14_fields_and_its_key() -> None:
    assert {len(json.loads(value)) for _, value in events(2_000, 500)} == {14}
    assert len({event.event_id for event in LOG}) == len(LOG)


def test_each_workflow_is_among_the_first() -> None:
    assert len({event.workflow for event in LOG[:500]}) == 500
    assert {event.workflow for event in LOG} == {event.workflow for event in LOG[:500]}


def test_events_leave_the_longest_window_again() -> None:
    assert LOG[-1].ts - LOG[0].ts > timedelta(hours=2)


def test_a_reversal_names_an_earlier_action_of_its_workflow() -> None:
    earlier: dict[str, Event] = {}
    reversals = 0
    for event in LOG:
        if event.reverses is not None:
            reversals += 1
            assert earlier[event.reverses].workflow == event.workflow
            assert earlier[event.reverses].reverses is None
        earlier[event.event_id] = event
    assert 0.01 < reversals / len(LOG) < 0.03
