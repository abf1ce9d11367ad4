"""The load in the background is one of events that windows take in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

from andon.events import parse_event
from bench.load import DIFFERENT, endless


def test_no_event_is_late_nor_comes_twice_however_long_it_goes_on() -> None:
    records = list(islice(endless(), DIFFERENT + 2_000))
    began_again = [parse_event(value, key=key) for key, value in records[-2_000:]]
    began = [parse_event(value, key=key) for key, value in records[:2_000]]
    assert all(abs(datetime.now(UTC) - event.ts) < timedelta(minutes=5) for event in began_again)
    assert not {event.event_id for event in began} & {event.event_id for event in began_again}
