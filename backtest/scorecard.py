"""Scores as scripts and people read them: one object, and two tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from statistics import median
from typing import Any

from andon.events import format_ts
from backtest.score import Caught, Damage, Health, Scores
from backtest.tables import Row, Table, spell

Json = dict[str, Any]


def report(scores: Scores) -> Json:
    """All of it as one object. Times in seconds; null where nothing was caught."""
    return {
        "goal_met": scores.met,
        "incidents": len(scores.incidents),
        "missed": scores.missed,
        "healthy_years": round(scores.healthy_years, 3),
        "false_trips": scores.false_trips,
        "false_trips_per_year": _per_year(scores.false_trips, scores.healthy_years),
        "unwatched": list(scores.unwatched),
        "scenarios": [_scenario(name, runs) for name, runs in _by_incident(scores)],
        "workflows": [_workflow(name, runs) for name, runs in _by_workflow(scores)],
    }


def tables(scores: Scores) -> tuple[Table, Table]:
    """The incidents, and the workflows in good health."""
    return (
        Table(
            "Incidents, trips taking effect: medians over the seeds",
            ("Incident", "Missed", "Time to trip", "Slowest", "Actions before it",
             "Dollars before it", "People reached before it", "Tripped by"),
            [_incident_row(name, runs) for name, runs in _by_incident(scores)],
        ),
        Table(
            "Good health",
            ("Workflow", "Years", "Events", "False trips", "A year", "By"),
            [_health_row(name, runs) for name, runs in _by_workflow(scores)],
        ),
    )  # fmt: skip


def verdict(scores: Scores) -> str:
    """One sentence, and what was not scored."""
    said = (
        f"{scores.missed} of {len(scores.incidents)} incidents missed, {scores.false_trips} false "
        f"trips in {scores.healthy_years:.1f} healthy workflow-years. The goal (none missed, at "
        f"most one false trip in 10 years) is {'met' if scores.met else 'NOT met'}."
    )
    if scores.unwatched:
        said += f" No policy watches {', '.join(scores.unwatched)}: not scored."
    return said


def _by_incident(scores: Scores) -> Iterator[tuple[str, list[Caught]]]:
    def name(caught: Caught) -> str:
        return caught.incident.name

    for key, runs in groupby(sorted(scores.incidents, key=name), name):
        yield key, list(runs)


def _by_workflow(scores: Scores) -> Iterator[tuple[str, list[Health]]]:
    def name(health: Health) -> str:
        return health.workflow

    for key, runs in groupby(sorted(scores.healthy, key=name), name):
        yield key, list(runs)


def _scenario(name: str, runs: Sequence[Caught]) -> Json:
    waits = _waits(runs)
    return {
        "incident": name,
        "workflow": runs[0].incident.workflow,
        "missed": sum(run.missed for run in runs),
        "time_to_trip_s": median(waits) if waits else None,
        "before_trip": _medians([run.before for run in runs]),
        "without_andon": _medians([run.all_of for run in runs]),
        "runs": [
            {
                "seed": run.seed,
                "begins": format_ts(run.incident.begins),
                "ends": format_ts(run.incident.ends),
                "tripped": format_ts(run.tripped) if run.tripped else None,
                "rule": run.rule,
                "missed": run.missed,
                "early": run.early,
                "time_to_trip_s": run.after_s,
                "before_trip": _rounded(run.before),
                "without_andon": _rounded(run.all_of),
            }
            for run in runs
        ],
    }


def _workflow(name: str, runs: Sequence[Health]) -> Json:
    years, trips = sum(run.years for run in runs), _trips(runs)
    return {
        "workflow": name,
        "years": round(years, 3),
        "events": sum(run.events for run in runs),
        "false_trips": trips.total(),
        "false_trips_per_year": _per_year(trips.total(), years),
        "rules": dict(sorted(trips.items())),
    }


def _incident_row(name: str, runs: Sequence[Caught]) -> Row:
    waits = _waits(runs)
    before = _medians([run.before for run in runs])
    all_of = _medians([run.all_of for run in runs])

    def share(field: str, unit: str = "") -> str:
        if not all_of[field]:
            return "–"
        return f"{unit}{before[field]:,.0f} of {unit}{all_of[field]:,.0f}"

    return (
        name,
        f"{sum(run.missed for run in runs)} of {len(runs)}",
        spell(median(waits)) if waits else "–",
        spell(max(waits)) if waits else "–",
        share("actions"),
        share("usd", "$"),
        share("people"),
        _counted(Counter(run.rule for run in runs if run.rule and not run.missed)),
    )


def _health_row(name: str, runs: Sequence[Health]) -> Row:
    row = _workflow(name, runs)
    rate = row["false_trips_per_year"]
    return (
        name,
        f"{row['years']:.1f}",
        f"{row['events']:,}",
        str(row["false_trips"]),
        "–" if rate is None else f"{rate:.2f}",
        _counted(Counter(row["rules"])),
    )


def _waits(runs: Iterable[Caught]) -> list[float]:
    return [run.after_s for run in runs if run.after_s is not None]


def _trips(runs: Iterable[Health]) -> Counter[str]:
    return Counter(rule for run in runs for rule in run.false_trips)


def _medians(damages: Sequence[Damage]) -> dict[str, float]:
    rows = [_rounded(damage) for damage in damages]
    return {key: median(row[key] for row in rows) for key in rows[0]}


def _rounded(damage: Damage) -> dict[str, float]:
    return asdict(damage) | {"usd": round(damage.usd, 2)}


def _per_year(trips: int, years: float) -> float | None:
    return round(trips / years, 4) if years else None


def _counted(rules: Counter[str]) -> str:
    return ", ".join(f"{rule} ({count})" for rule, count in rules.most_common()) or "–"
