from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise

import pytest

from andon.events import By, Outcome, parse_event
from backtest.scenarios.catalogue import BUSINESSES
from backtest.scenarios.history import (
    DAY_S,
    HOUR_S,
    LEAD_DAYS,
    START,
    Business,
    History,
    failing,
    healthy,
    in_office,
)

EACH = pytest.mark.parametrize("business", BUSINESSES, ids=lambda business: business.workflow)


def log(history: History) -> list[bytes]:
    return [event.to_json() for event in history.events()]


@EACH
def test_the_same_seed_makes_the_same_log_and_another_seed_another(business: Business) -> None:
    assert log(healthy(business, 3, 7)) == log(healthy(business, 3, 7))
    assert log(healthy(business, 3, 7)) != log(healthy(business, 4, 7))
    assert log(failing(business, 3)) == log(failing(business, 3))
    assert failing(business, 3).incident == failing(business, 3).incident
    assert failing(business, 3).incident != failing(business, 4).incident


@EACH
def test_a_log_is_valid_and_in_order_and_every_id_is_its_own(business: Business) -> None:
    for history in (healthy(business, 1, 14), failing(business, 1)):
        events = [parse_event(line, key=business.workflow.encode()) for line in log(history)]
        assert all(early.ts <= late.ts for early, late in pairwise(events))
        assert len({event.event_id for event in events}) == len(events)
        assert {event.capability for event in events} == {business.capability}
        before: set[str] = set()
        for event in events:
            assert event.reverses is None or event.reverses in before
            before.add(event.event_id)


@EACH
def test_the_label_says_where_the_incident_is(business: Business) -> None:
    history = failing(business, 2)
    label = history.incident
    assert label is not None
    assert (label.name, label.workflow) == (business.incident, business.workflow)
    times = [event.ts for event in history.events()]
    assert times[-1] == label.ends
    lead_s = (label.begins - START).total_seconds()
    assert LEAD_DAYS * DAY_S <= lead_s <= 2 * LEAD_DAYS * DAY_S
    hours = (label.ends - label.begins).total_seconds() / HOUR_S
    before = sum(ts < label.begins for ts in times) / (lead_s / HOUR_S)
    within = sum(ts >= label.begins for ts in times) / hours
    assert within > 1.5 * before, "an incident is busier than a healthy hour"


@EACH
def test_health_has_a_rhythm_and_its_small_faults(business: Business) -> None:
    events = [parse_event(line) for line in log(healthy(business, 1, 56))]
    hours = Counter(event.ts.hour for event in events if event.by is By.AUTOMATION)
    assert sum(hours[hour] for hour in range(9, 17)) > 3 * sum(hours[hour] for hour in range(6))
    failed = sum(event.outcome is Outcome.ERROR for event in events) / len(events)
    assert 0.001 < failed < 0.1
    undone = sum(event.reverses is not None for event in events) / len(events)
    assert undone < 0.1


@EACH
def test_longer_health_is_the_same_health_and_more(business: Business) -> None:
    week = log(healthy(business, 1, 7))
    assert log(healthy(business, 1, 14))[: len(week)] == week


@pytest.mark.parametrize(
    ("at_h", "opens_h"),
    [(9, 9), (3, 8), (19, 24 + 8), (5 * 24 + 12, 7 * 24 + 8), (4 * 24 + 20, 7 * 24 + 8)],
)
def test_people_undo_things_in_office_hours(at_h: float, opens_h: float) -> None:
    assert opens_h <= in_office(at_h * HOUR_S) / HOUR_S < opens_h + 1


def test_refunds_go_wrong_in_the_ways_that_their_name_says() -> None:
    (refunds,) = (each for each in BUSINESSES if each.workflow == "refunds")
    history = failing(refunds, 1)
    label = history.incident
    assert label is not None
    night = [json.loads(event.to_json()) for event in history.events() if event.ts >= label.begins]
    paid = Counter((event["target"], event["value"]) for event in night)
    assert sum(count - 1 for count in paid.values()) > 0.2 * len(night)
    assert any(event["value"] > 2000 for event in night)
