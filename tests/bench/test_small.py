"""A tiny run of what is measured without a broker."""

from __future__ import annotations

from bench import backtest, core, guard
from bench.sizes import Sizes

TINY = Sizes(
    runs=1,
    workflows=20,
    workflows_many=200,
    events=12_000,
    backtest_days=2,
    backtest_events_a_day=3_000,
)


def test_the_core() -> None:
    found = core.measure(TINY)
    assert found.keys() == {
        "core_events_per_s",
        "core_events_per_s_100k_workflows",
        "bytes_per_workflow",
    }
    assert all(value > 0 for values in found.values() for value in values)


def test_the_backtest_counts_every_event_of_every_day() -> None:  # or its own assertion fails
    found = backtest.measure(TINY)
    assert found["backtest_events_per_s"][0] > 0
    assert found["backtest_peak_mb"][0] > 10


def test_the_guard() -> None:
    assert 0 < guard.check_ns(1_000) < guard.emit_ns(1_000)
