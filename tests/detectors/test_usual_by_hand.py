"""`4x usual` in cases that were worked out by hand from docs/usual.md."""

from __future__ import annotations

from detectors.columns import Records
from detectors.line import Line
from detectors.plan import compile_book
from tests.detectors.newsletter import (
    DAY,
    REACH,
    TUESDAY,
    WEEK,
    WEEKS_6,
    bounds,
    daily,
    hour_of,
    last_bound,
    send,
)
from tests.engine import agreed_edges
from tests.eventlog import book


def test_fifty_thousand_instead_of_five_hundred() -> None:
    incident = send(6 * WEEK + TUESDAY + 14, 50_000)
    watched = Line(compile_book(book(REACH)), "leaks")
    effects = watched.take(Records([*WEEKS_6, incident])).effects
    (found,) = effects.detections
    assert found.report() == {
        "ts": "2026-03-17T14:00:00.000Z",
        "event_id": "at-1046",
        "workflow": "refunds",
        "policy": "only",
        "rule": "rule-0",
        "rate": "volume",
        "group": None,
        "observed": 50_000,
        "bound": 2000,
        "events": 1,
        "window_s": 3600,
        "mode": "enforce",
        "usual": {
            "level": 500,
            "factor": 4,
            "floor": 1000,
            "taken_from": "hour of the week",
            "samples": 5,
            "hour": "Tuesday 14:00",
        },
    }
    (command,) = effects.commands
    assert command.reason.text == "volume 50,000 in 1h, bound 2,000 (4x usual)"
    assert agreed_edges(book(REACH), [*WEEKS_6, incident]) == [found.report()]


def test_nothing_is_crossed_by_what_is_usual() -> None:
    rhythm = [
        send(day * DAY + hour, 40 * hour if day % 7 < 5 else 3)
        for day in range(70)
        for hour in range(7, 19)
    ]
    assert agreed_edges(book(REACH | {"floor": 10}), rhythm) == []


def test_a_new_workflow_may_do_something_but_not_anything() -> None:
    assert bounds([send(0.2, 3999)]) == [4000]
    (edge,) = agreed_edges(book(REACH), [send(0, 3999), send(2, 4001)])
    assert (edge["bound"], edge["usual"]["taken_from"], edge["usual"]["level"]) == (
        4000,
        "no history",
        1000,
    )


def test_until_seven_days_are_known_busy_ones_can_only_raise_what_is_taken_as_usual() -> None:
    # The first day teaches nothing: its window was not yet full when the hour began.
    assert last_bound(daily(range(8))) == 4000
    assert last_bound(daily(range(9))) == 2000
    assert last_bound(daily([0, 1], 3000), daily([2])) == 12_000


def test_busy_days_are_what_but_a_tenth_of_the_days_stay_within() -> None:
    one_busy = [daily(range(1, 4)), daily([4], 1900), daily(range(5, 11))]
    assert last_bound(daily([0]), *one_busy, daily([11])) == 7600  # the highest of ten days
    assert last_bound(daily([0]), *one_busy, daily([11, 12])) == 2000  # the second of eleven


def test_without_a_floor_the_smallest_bound_is_the_default() -> None:
    small = daily(range(20), 3)
    assert last_bound(small) == 1000
    assert last_bound(small, rule=REACH | {"floor": 10}) == 12
    assert last_bound(small, rule=REACH | {"floor": 20}) == 20
    by_events = {"rate": "volume", "over": "1h", "above": "4x usual"}
    assert last_bound(small, rule=by_events) == 250
    assert last_bound(small, rule=by_events | {"over": "6h"}) == 1500


def test_the_hours_of_the_week_hold_once_five_weeks_are_known() -> None:
    night = 6 * WEEK + 3
    assert last_bound(daily(range(34)), [send(5 * WEEK - 1, 1)]) == 2000  # by busy days
    assert last_bound(WEEKS_6, [send(night, 1)], rule=REACH | {"floor": 10}) == 10
    (edge,) = agreed_edges(book(REACH), [*WEEKS_6, send(night, 1500)])
    assert (edge["bound"], edge["usual"]["level"], edge["usual"]["hour"]) == (
        1000,
        0,
        "Monday 03:00",
    )


def test_it_is_what_all_but_one_of_the_last_five_weeks_stayed_within() -> None:
    rule = REACH | {"floor": 10}
    weeks = [100, 900, 200, 800, 300, 700, 400]
    mondays = [daily([7 * week], people) for week, people in enumerate(weeks)]
    others = [daily(range(7 * week + 1, 7 * week + 7), 100) for week in range(len(weeks))]
    log = [event for pair in zip(mondays, others, strict=True) for part in pair for event in part]
    told = bounds([*log, *daily([49])], rule)
    # Before it: 200, 800, 300, 700 and 400; a week earlier 900, 200, 800, 300 and 700.
    assert told[-1] == 4 * 700
    assert told[-8] == 4 * 800


def test_clocks_that_change_and_jobs_that_start_late_cross_nothing() -> None:
    rule = REACH | {"floor": 10}
    for hour in (13, 13.9, 14.5, 15.9):
        assert last_bound(WEEKS_6, [send(6 * WEEK + hour)], rule=rule) == 2000
    for hour in (12.9, 16):
        assert last_bound(WEEKS_6, [send(6 * WEEK + hour)], rule=rule) == 10


def test_hours_of_the_week_that_would_have_been_wrong_are_not_asked_for_a_quarter() -> None:
    odd, rule = 4 * WEEK + 3, REACH | {"floor": 100}
    accepted = sorted([*daily(range(28)), send(odd, 1500), *daily(range(28, 42))], key=hour_of)
    assert last_bound(accepted, [send(6 * WEEK + 3)], rule=rule) == 2000
    weeks_17 = [*accepted, *daily(range(42, 17 * 7))]
    assert last_bound(weeks_17, [send(17 * WEEK + 2)], rule=rule) == 2000
    assert last_bound(weeks_17, [send(17 * WEEK + 5)], rule=rule) == 100  # it was at 03:00


def test_an_incident_that_nothing_stops_teaches_its_bound_at_the_most() -> None:
    week = [*daily([42, 43]), *daily([44], 50_000), *daily(range(45, 52))]
    assert bounds([*WEEKS_6, *week])[-3:] == [2000, 2000, 2000]
    # Ten times as much for good: after two weeks it is not one alone.
    mondays = bounds([*WEEKS_6, *daily(range(42, 70), 5000)])[42::7]
    assert mondays == [2000, 2000, 8000, 8000]


def test_growth_to_nearly_twice_as_much_a_week_is_followed() -> None:
    people = [round(10 * 1.9**week) for week in range(14)]
    log = [
        event
        for week, each in enumerate(people)
        for event in daily(range(week * 7, week * 7 + 7), each)
    ]
    assert agreed_edges(book(REACH | {"floor": 1}), log) == []


def test_a_week_of_silence_teaches_nothing_and_busy_days_stand_in() -> None:
    night = REACH | {"floor": 10}
    short, long = WEEKS_6, daily(range(50, 57))
    assert last_bound(short, daily([48]), [send(49 * DAY + 3)], rule=night) == 10
    assert last_bound(short, long, [send(57 * DAY + 3)], rule=night) == 2000
    again = [*long, *daily(range(57, 90))]
    assert last_bound(short, again, [send(90 * DAY + 3)], rule=night) == 10


def test_after_a_quarter_of_silence_all_is_forgotten() -> None:
    # The last hour learned began at 14:00 on day 41.
    assert last_bound(WEEKS_6, [send(41 * DAY + 14 + 13 * WEEK)]) == 2000
    assert last_bound(WEEKS_6, [send(41 * DAY + 14 + 13 * WEEK + 1)]) == 4000


def test_an_event_of_an_hour_that_is_over_is_measured_and_teaches_nothing() -> None:
    rule = REACH | {"over": "3h", "floor": 10}
    log = [*WEEKS_6, send(6 * WEEK + 17)]
    told = bounds([*log, send(6 * WEEK + 14.5, 1900), *daily(range(43, 50))], rule)
    assert told[-8] == 2000
    assert told[-1] == 2000
    (edge,) = agreed_edges(book(rule), [*log, send(6 * WEEK + 14.5, 2001)])
    assert (edge["bound"], edge["usual"]["hour"]) == (2000, "Monday 14:00")


def test_a_window_longer_than_an_hour_is_held_against_what_it_held() -> None:
    """1,200 people between 08:00 and 20:00: a single send at night finds them in its window."""
    office = [send(day * DAY + hour, 100) for day in range(44) for hour in range(8, 20)]
    rule = REACH | {"over": "24h", "floor": 10}
    stray = send(43 * DAY + 3 + DAY, 1)
    assert last_bound(office, [stray], rule=rule) == 4 * 1200
    assert agreed_edges(book(rule), [*office, stray]) == []


def test_money_is_remembered_to_six_digits() -> None:
    rule = {"rate": "value", "currency": "USD", "over": "1h", "above": "4x usual", "floor": 0.001}
    for value, level in ((1234.56, 1234.56), (1234567.89, 1234570.0), (0.01234567, 0.0123457)):
        log = [send(day * DAY + 14, value=value) for day in range(43)]
        assert last_bound(log, rule=rule) == 4 * level
