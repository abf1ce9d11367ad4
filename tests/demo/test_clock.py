"""Simulated time: it moves when waited for, at the speed it says, and stands otherwise."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.scenarios.refund_night import END_S, HOUR_S, NIGHT_FROM_S
from demo.clock import SPEEDS, FastClock, real_s, speed_at
from demo.run import latest_start

START = datetime(2026, 1, 31, 22, tzinfo=UTC)


def test_time_stands_where_it_was_reached() -> None:
    clock = FastClock(START, 1000)
    assert clock() == START
    clock.reach(5 * HOUR_S)
    assert clock() == START + timedelta(hours=5)
    time.sleep(0.01)
    assert clock() == START + timedelta(hours=5)
    clock.reach(HOUR_S)  # time never goes back
    assert clock() == START + timedelta(hours=5)


def test_waiting_takes_as_long_as_the_speed_says_and_crosses_its_changes() -> None:
    clock = FastClock(START, 100)
    started = time.monotonic()
    clock.reach(NIGHT_FROM_S + HOUR_S)
    assert clock() == START + timedelta(seconds=NIGHT_FROM_S + HOUR_S)
    assert time.monotonic() - started >= real_s(NIGHT_FROM_S + HOUR_S, 100)


def test_the_whole_takes_less_than_half_a_minute() -> None:
    assert 20 < real_s(END_S) < 30
    assert real_s(END_S, 2.0) == pytest.approx(real_s(END_S) / 2)
    assert speed_at(0.0) == SPEEDS[0].speed
    assert speed_at(NIGHT_FROM_S) == SPEEDS[1].speed
    assert speed_at(END_S, 0.5) == SPEEDS[-1].speed / 2


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))
def test_the_scenario_always_lies_in_the_past_and_not_long_ago(now: datetime) -> None:
    start = latest_start(now)
    assert (start.hour, start.minute) == (22, 0)
    assert timedelta(0) <= now - start - timedelta(seconds=END_S) < timedelta(days=1)
