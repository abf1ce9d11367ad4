"""The refund night: what its numbers promise, and what the demo's policy makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from andon.events import By, Event
from andon.policy_file import load_policies
from backtest.ledger import Ledger
from backtest.replay import replay
from backtest.scenarios.refund_night import DAY_S, NIGHT_FROM_S, NIGHT_TO_S, refund_night
from demo.run import POLICY

SEEDS = range(20)
START = datetime(2026, 11, 19, 22, tzinfo=UTC)


def replayed(events: list[Event], *, latch: bool) -> Ledger:
    """The ledger of a log under the demo's policy."""
    ledger = Ledger()
    lines = [event.to_json() for event in events]
    for taken in replay(load_policies(POLICY), lines, latch=latch):
        ledger.add(taken)
    return ledger


def events_of(seed: int) -> Iterator[tuple[float, Event]]:
    """Each event with its second since the start."""
    for event in refund_night(seed).events(START):
        yield (event.ts - START).total_seconds(), event


def test_a_seed_makes_the_same_night_and_another_seed_another() -> None:
    assert refund_night(3) == refund_night(3)
    assert list(refund_night(3).events(START)) == list(refund_night(3).events(START))
    assert refund_night(3).refunds != refund_night(4).refunds


@pytest.mark.parametrize("seed", SEEDS)
def test_the_night_costs_47_000_dollars_most_of_it_paid_before(seed: int) -> None:
    scenario = refund_night(seed)
    night = scenario.night
    assert sum(refund.amount_usd for refund in night) == pytest.approx(47_000, rel=0.1)
    paid = {(r.charge, r.amount_usd) for r in scenario.refunds if r.at_s < NIGHT_FROM_S}
    for refund in night:
        assert refund.again == ((refund.charge, refund.amount_usd) in paid)
        paid.add((refund.charge, refund.amount_usd))
    assert sum(refund.again for refund in night) >= 0.3 * len(night)
    assert all(NIGHT_FROM_S <= refund.at_s < NIGHT_TO_S for refund in night)


def test_healthy_days_look_like_life() -> None:
    refunds, undone, busy, quiet = 0, 0, 0, 0
    for seed in SEEDS:
        for at_s, event in events_of(seed):
            if at_s < NIGHT_FROM_S:
                refunds += event.by is By.AUTOMATION
                undone += event.by is By.HUMAN
                busy += event.by is By.AUTOMATION and 9 <= event.ts.hour < 17
                quiet += event.by is By.AUTOMATION and event.ts.hour < 5
    assert 0.01 <= undone / refunds <= 0.02
    assert busy / 8 > 5 * quiet / 5


@pytest.mark.parametrize("seed", SEEDS)
def test_the_log_is_in_order_and_each_reversal_names_an_earlier_refund(seed: int) -> None:
    events = [event for _, event in events_of(seed)]
    assert all(one.ts <= other.ts for one, other in pairwise(events))
    known = {}
    for event in events:
        assert event.event_id not in known
        known[event.event_id] = event
        if event.reverses:
            assert known[event.reverses].value == event.value
            assert event.by is By.HUMAN


@pytest.mark.parametrize("seed", SEEDS)
def test_healthy_days_trip_nothing(seed: int) -> None:
    healthy = [event for at_s, event in events_of(seed) if at_s < NIGHT_FROM_S]
    ledger = replayed(healthy, latch=False)
    assert ledger.rules.total() == 0
    assert ledger.fates["counted"] == len(healthy) > 3 * 120


@pytest.mark.parametrize("seed", SEEDS)
def test_the_night_trips_and_a_fifth_of_its_money_is_the_most_that_goes(seed: int) -> None:
    # With the last healthy day before it: that is as far as any window reaches.
    log = [event for at_s, event in events_of(seed) if at_s >= NIGHT_FROM_S - DAY_S]
    before = sum(
        event.value or 0
        for event in log
        if event.by is By.AUTOMATION and (event.ts - START).total_seconds() < NIGHT_FROM_S
    )
    ledger = replayed(log, latch=True)
    page = ledger.pages["refunds"]
    assert len(page.pauses) == 1
    assert ledger.executed(page).money["USD"] - before <= 0.2 * 47_000


@pytest.mark.parametrize("rule", ["same-refund-again", "money-per-hour", "too-many-reversals"])
def test_each_rule_alone_would_have_noticed(rule: str) -> None:
    log = [event for _, event in events_of(0)]
    assert replayed(log, latch=False).rules[f"refunds/{rule}"] > 0
