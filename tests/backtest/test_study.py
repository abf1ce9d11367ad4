"""The study's bounds, on a small seeded run, and that what is committed is what it says."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from backtest.study.__main__ import tables
from backtest.study.measure import best_delay, delay, false_run
from backtest.study.rules import CountWindow, Evidence
from tests.engine import engine_edges
from tests.eventlog import book, line

DOCS = Path(__file__).parents[2] / "docs"
MILLION = partial(Evidence, null=0.05, promise=1_000_000)


@pytest.mark.parametrize("promise", [100, 1000])
def test_a_true_rate_at_the_bound_trips_no_more_often_than_promised(promise: int) -> None:
    make = partial(Evidence, null=0.05, promise=promise)
    run = false_run(make, 0.05, 1, streams=300, events=20 * promise)
    assert run.trips > 1000
    assert run.mean >= promise


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.5])
@pytest.mark.parametrize("healthy", [0, 500])
def test_a_true_trip_comes_about_as_soon_as_it_can(rate: float, healthy: int) -> None:
    seen = delay(MILLION, rate, 1, streams=300, healthy=healthy)
    assert seen.missed == 0
    assert seen.mean <= 1.1 * best_delay(1e6, rate, 0.05)


def test_the_window_that_everybody_writes_trips_every_160_events() -> None:
    run = false_run(partial(CountWindow, size=100, most=6), 0.05, 1, streams=500, events=2000)
    assert 150 < run.mean < 175


def test_the_study_computes_what_the_engine_computes() -> None:
    bad = np.random.default_rng(1).random(5000) < 0.15
    rule, trips = Evidence(1, 0.05, 1000.0), []
    for n, one in enumerate(bad):
        if rule.step(np.array([one]))[0]:
            trips.append(f"e-{n}")
            rule.restart(np.array([True]))
    # Far apart, so that a rule that tripped is told again.
    log = [
        line(f"e-{n}", 50 * n, outcome="error" if one else "success") for n, one in enumerate(bad)
    ]
    evidence = {"rate": "error", "over": "60s", "above": "5%", "method": "evidence"}
    edges = engine_edges(book(evidence | {"false_trips": "1 in 1000"}), log)
    assert [edge["event_id"] for edge in edges] == trips
    assert len(trips) > 20


def test_what_is_committed_keeps_the_promise_and_the_page_says_so() -> None:
    found = json.loads((DOCS / "evidence.json").read_text())
    assert (DOCS / "evidence.md").read_text().endswith(tables(found))
    for row in found["promises"]:
        assert row["mean_run"] >= row["promise"]
    evidence, six_of_100, *_ = found["rules"]
    assert evidence["mean_run"] is None or evidence["mean_run"] >= found["promise"]
    for seen in evidence["delays"]:
        assert seen["missed"] == 0
        assert seen["mean"] <= 1.1 * found["best"][f"{seen['rate']:g}"]
    assert six_of_100["mean_run"] < 1000
