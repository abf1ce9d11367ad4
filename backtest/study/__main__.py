"""Run the study and write what it finds into docs/: `make study`, a few minutes."""

from __future__ import annotations

import json
from functools import partial
from math import inf, isinf
from pathlib import Path
from typing import Any

from backtest.study.measure import Make, best_delay, delay, false_run
from backtest.study.plot import draw
from backtest.study.rules import CountWindow, Evidence

DOCS = Path(__file__).parents[2] / "docs"
SEED = 20221
BOUND = 0.05
PROMISE = 1_000_000
RATES = (0.1, 0.2, 0.5)
STREAMS = 2_000
TUNED = "window tuned to the promise"


def main() -> None:
    """Write evidence.json, evidence.svg and the tables of evidence.md."""
    found = study()
    (DOCS / "evidence.json").write_text(json.dumps(found, indent=2) + "\n")
    draw(found, DOCS / "evidence.svg")
    page = DOCS / "evidence.md"
    head, mark, _ = page.read_text().partition("<!-- what follows is written by `make study` -->\n")
    page.write_text(head + mark + "\n" + tables(found))


def study() -> dict[str, Any]:
    """All figures."""
    promises = [
        promise_row(1_000, streams=STREAMS, events=20_000),
        promise_row(10_000, streams=STREAMS, events=50_000),
        promise_row(PROMISE, streams=5_000, events=60_000),
    ]
    most = tuned_bad()
    rules: dict[str, Make] = {
        "evidence": partial(Evidence, null=BOUND, promise=PROMISE),
        "6 of the last 100": partial(CountWindow, size=100, most=6),
        f"{TUNED}: {most} of the last 100": partial(CountWindow, size=100, most=most),
        "resilience4j: 50 of the last 100": partial(CountWindow, size=100, most=50, least=100),
    }
    return {
        "seed": SEED,
        "bound": BOUND,
        "promise": PROMISE,
        "promises": promises,
        "best": {f"{rate:g}": best_delay(PROMISE, rate, BOUND) for rate in RATES},
        "rules": [rule_row(name, make) for name, make in rules.items()],
    }


def promise_row(promise: int, *, streams: int, events: int) -> dict[str, Any]:
    """The mean run of an evidence rule while the true rate is the bound itself."""
    make = partial(Evidence, null=BOUND, promise=promise)
    run = false_run(make, BOUND, SEED, streams=streams, events=events)
    return {"promise": promise, "events": run.events, "trips": run.trips, "mean_run": run.mean}


def tuned_bad() -> int:
    """The fewest bad ones of 100 at which a window trips no more often than promised."""
    for most in range(14, 40):
        make = partial(CountWindow, size=100, most=most)
        if false_run(make, BOUND, SEED, streams=20_000, events=5_000).mean >= PROMISE:
            return most
    raise ValueError("no window of 100 keeps the promise")


def rule_row(name: str, make: Make) -> dict[str, Any]:
    """A rule's mean run at the bound, and its delays at the rates above it."""
    run = false_run(make, BOUND, SEED + 1, streams=5_000, events=40_000)
    delays = []
    for rate in RATES:
        for healthy in (0, 500):
            seen = delay(make, rate, SEED + 2, streams=STREAMS, healthy=healthy)
            delays.append({"rate": rate, "healthy": healthy, **_finite(seen._asdict())})
    return {
        "rule": name,
        "events": run.events,
        "trips": run.trips,
        "delays": delays,
        **_finite({"mean_run": run.mean}),
    }


def _finite(row: dict[str, float]) -> dict[str, float | None]:
    """JSON knows no infinity."""
    return {key: None if isinf(number) else number for key, number in row.items()}


def tables(found: dict[str, Any]) -> str:
    """What was found, as Markdown."""
    lines = [
        f"## The promise kept, at a true rate of exactly {found['bound']:.0%}",
        "",
        "| promise: a false trip in | mean run to a false trip | trips seen | in events |",
        "|---|---|---|---|",
    ]
    for row in found["promises"]:
        run, events = f"{row['mean_run']:,.0f}", f"{row['events']:,}"
        lines.append(f"| {row['promise']:,} | {run} | {row['trips']:,} | {events} |")
    lines += [
        "",
        f"## Delays in events, bound {found['bound']:.0%}, promise 1 in {found['promise']:,}",
        "",
        "In brackets: after 500 healthy events at 3%.",
        "",
        "| rule | mean run at 5% | " + " | ".join(f"true rate {rate:.0%}" for rate in RATES) + " |",
        "|---|---|" + "---|" * len(RATES),
    ]
    best = " | ".join(f"{number:.0f}" for number in found["best"].values())
    for row in found["rules"]:
        run = _told(row["mean_run"], f"over {row['events']:,}")
        pairs = zip(row["delays"][::2], row["delays"][1::2], strict=True)
        cells = [f"{_cell(fresh)} ({_cell(warm)})" for fresh, warm in pairs]
        lines.append(f"| {row['rule']} | {run} | {' | '.join(cells)} |")
    lines.append(f"| log(promise) / KL | {found['promise']:,} | {best} |")
    return "\n".join([*lines, ""])


def _cell(seen: dict[str, Any]) -> str:
    return "never" if seen["missed"] > 0.01 else _told(seen["mean"], "never")


def _told(number: float | None, otherwise: str) -> str:
    if number is None or number == inf:
        return otherwise
    return f"{number:,.1f}" if number < 100 else f"{number:,.0f}"


if __name__ == "__main__":
    main()
