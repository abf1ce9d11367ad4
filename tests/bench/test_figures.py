"""From runs to build/bench.json and to the README."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest

from bench.__main__ import MEASUREMENTS, main
from bench.figures import RATIOS, percentiles, result_of
from bench.readme import TABLES, tables, write_readme
from bench.sizes import Runs, Sizes

KEYS = [row.key for row in chain.from_iterable(TABLES.values()) if row.key not in RATIOS]
RUNS: Runs = {key: [3.0, 1.0, 2.0] for key in KEYS} | {
    "monitor_events_per_s": [200_000.0, 180_000.0, 150_000.0],
    "aiokafka_events_per_s": [400_000.0, 300_000.0, 500_000.0],
    "backtest_peak_mb": [212.3456],
}


def test_a_figure_is_the_median_of_its_runs_with_its_spread() -> None:
    result = result_of(RUNS, Sizes())
    assert result["monitor_events_per_s"] == 180_000
    assert result["spread"]["monitor_events_per_s"] == [150_000, 200_000]
    assert result["runs"]["monitor_events_per_s"] == 3
    assert result["trip_latency_ms"] == {"p50": 2.0, "p99": 2.0}
    assert result["spread"]["trip_latency_ms"]["p99"] == [1.0, 3.0]
    assert result["versions"].keys() >= {"python", "quixstreams", "pybreaker", "purgatory"}


def test_a_ratio_is_of_runs_that_took_turns() -> None:
    result = result_of(RUNS, Sizes())
    assert result["monitor_per_aiokafka"] == 0.5  # of 0.5, 0.6 and 0.3, and not 180 / 400
    assert result["spread"]["monitor_per_aiokafka"] == [0.3, 0.6]
    assert "monitor_per_quix" not in result_of({"monitor_events_per_s": [1.0]}, Sizes())


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentiles([float(n) for n in range(100, 0, -1)]) == {"p50": 50.0, "p99": 99.0}
    assert percentiles([7.0]) == {"p50": 7.0, "p99": 7.0}


def test_the_tables_show_every_figure_and_say_what_was_one_run() -> None:
    text = tables(result_of(RUNS, Sizes()))
    assert "| `andon monitor`, 500 workflows | 180,000 | 150,000 to 200,000 | 150,000 |" in text
    assert "| its most memory, MB | 212 | one run |  |" in text
    assert "| ratio: monitor to aiokafka | 0.5 | 0.3 to 0.6 | 0.5 |" in text
    assert "10,000,000 events" in text


def test_what_could_not_be_measured_is_said() -> None:
    text = tables(result_of({"core_events_per_s": [5.0]}, Sizes()))
    assert "| decisions, events/s, 500 workflows | 5 | one run | 500,000 |" in text
    assert "| event to refusal, median | not measured |  |  |" in text


def test_the_readme_gets_the_tables_between_its_marks(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n")
    result = result_of(RUNS, Sizes())
    write_readme(result, readme)
    assert readme.read_text() == (
        f"before\n<!-- bench -->\n{tables(result)}\n<!-- /bench -->\nafter\n"
    )


def test_a_measurement_that_is_not_there_is_told() -> None:
    with pytest.raises(SystemExit, match="no such measurement: speed; there are core, guard"):
        main(["speed"], Sizes())
    assert "throughput" in MEASUREMENTS
