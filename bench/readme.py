"""The tables of figures in the README, written from build/bench.json."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

README = Path(__file__).parents[1] / "README.md"
Json = dict[str, Any]


class Row(NamedTuple):
    """One figure: its key, with a dot into an object, what it is, and what it should be."""

    key: str
    what: str
    wanted: str = ""


TABLES = {
    "From Kafka to decisions, events/s": (
        Row("monitor_events_per_s", "`andon monitor`, {workflows:,} workflows", "150,000"),
        Row(
            "monitor_events_per_s_100k_workflows",
            "`andon monitor`, {workflows_many:,} workflows that are known",
            "150,000",
        ),
        Row(
            "monitor_events_per_s_100k_new_workflows",
            "`andon monitor`, {workflows_many:,} workflows, up to {events_half:,} events",
        ),
        Row("aiokafka_events_per_s", "bare aiokafka `getmany`, which decides nothing"),
        Row("quix_events_per_s", "Quix Streams, over {quix_events:,} events"),
        Row("faust_events_per_s", "stock Faust, over {faust_events:,} events"),
        Row("monitor_per_aiokafka", "ratio: monitor to aiokafka", "0.5"),
        Row("monitor_per_quix", "ratio: monitor to Quix Streams", "10"),
        Row("monitor_per_faust", "ratio: monitor to Faust", "100"),
    ),
    "In one process, without Kafka": (
        Row("core_events_per_s", "decisions, events/s, {workflows:,} workflows", "500,000"),
        Row(
            "core_events_per_s_100k_workflows",
            "decisions, events/s, {workflows_many:,} workflows that are known",
        ),
        Row("backtest_events_per_s", "`andon backtest`, events/s, {backtest_events:,} events"),
        Row("backtest_peak_mb", "its most memory, MB"),
    ),
    "State of 100,000 workflows": (
        Row("bytes_per_workflow", "bytes a workflow, with {events_each:g} events each"),
        Row(
            "recovery_s_100k_workflows",
            "a new process to its first decisions, from snapshots, s",
            "at most 10",
        ),
        Row("recovery_peak_mb_100k_workflows", "its most memory, MB", "at most 1,000"),
    ),
    "In an automation": (
        Row("guard_check_ns", "guard: a closed breaker is checked, ns", "at most 1,000"),
        Row("pybreaker_check_ns", "pybreaker: a call through a closed breaker, ns"),
        Row("purgatory_check_ns", "purgatory: a closed breaker is entered and left, ns"),
        Row("guard_emit_us", "guard: a whole attempt with its event, µs", "at most 20"),
    ),
    "From the offending event to the guard's refusal, ms": (
        Row("trip_latency_ms.p50", "event to refusal, median"),
        Row("trip_latency_ms.p99", "event to refusal, p99"),
        Row("two_hop_ms.p50", "two records through the same broker, median"),
        Row("two_hop_ms.p99", "two records through the same broker, p99"),
        Row("trip_per_two_hop_p99", "ratio at p99", "at most 2"),
        Row("trip_latency_loaded_ms.p50", "under load: event to refusal, median"),
        Row("trip_latency_loaded_ms.p99", "under load: event to refusal, p99"),
        Row("two_hop_loaded_ms.p50", "under load: two records, median"),
        Row("two_hop_loaded_ms.p99", "under load: two records, p99"),
        Row("trip_per_two_hop_loaded_p99", "under load: ratio at p99", "at most 2"),
        Row("background_events_per_s", "under load: events/s of other workflows", "50,000"),
    ),
}


def write_readme(result: Json, readme: Path = README) -> None:
    """Put the figures between the README's two markers."""
    text = readme.read_text(encoding="utf-8")
    filled = re.sub(
        r"<!-- bench -->.*<!-- /bench -->",
        lambda _: f"<!-- bench -->\n{tables(result)}\n<!-- /bench -->",
        text,
        flags=re.DOTALL,
    )
    readme.write_text(filled, encoding="utf-8")


def tables(result: Json) -> str:
    """Medians with their spread, and how they were measured."""
    sizes = result["sizes"]
    counts = sizes | {
        "events_half": sizes["events"] // 2,
        "events_each": sizes["events"] / sizes["workflows_many"],
        "backtest_events": sizes["backtest_days"] * sizes["backtest_events_a_day"],
    }
    parts = [
        "\n".join(
            [
                f"| {title} | median | lowest to highest | aim |",
                "|---|---|---|---|",
                *(_line(row, result, counts) for row in rows),
            ]
        )
        for title, rows in TABLES.items()
    ]
    return "\n\n".join([*parts, _footnote(result)])


def _line(row: Row, result: Json, counts: Json) -> str:
    what = row.what.format(**counts)
    if row.key.partition(".")[0] not in result:
        return f"| {what} | not measured |  | {row.wanted} |"
    low, high = _at(result["spread"], row.key)
    spread = f"{_shown(low)} to {_shown(high)}" if _at(result["runs"], row.key) > 1 else "one run"
    return f"| {what} | {_shown(_at(result, row.key))} | {spread} | {row.wanted} |"


def _at(result: Json, key: str) -> Any:
    found: Any = result
    for part in key.split("."):
        found = found[part]
    return found


def _shown(value: float) -> str:
    return f"{value:,}" if value >= 1000 else f"{value:g}"


def _footnote(result: Json) -> str:
    machine, sizes = result["machine"], result["sizes"]
    packages = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    return (
        f"{sizes['runs']} runs, those that are compared in turns, each ratio of neighbours; "
        f"{sizes['events']:,} events of about 340 bytes, "
        f"four rates over 5, 15 and 60 minutes each; Quix Streams and Faust keep four sums over an "
        f"hour that hops by a quarter. Embedded broker, which is asked every "
        f"10 ms where nothing has come for seconds, {machine['cpus']} cores "
        f"({machine['model']}), shared with the broker; {packages}."
    )
