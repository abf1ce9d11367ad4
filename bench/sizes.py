"""How much is measured: enough for `make bench`, or little, to try whether it works."""

from __future__ import annotations

from typing import NamedTuple


class Sizes(NamedTuple):
    """Counts of events, unless another word is said."""

    runs: int = 5
    workflows: int = 500
    workflows_many: int = 100_000
    events: int = 400_000
    quix_events: int = 40_000
    faust_events: int = 1_000
    backtest_days: int = 10
    backtest_events_a_day: int = 1_000_000
    calls: int = 100_000
    trips: int = 100
    trips_loaded: int = 15
    load_per_s: int = 50_000


Runs = dict[str, list[float]]
"""What was measured in each run, by its key in build/bench.json; a dot leads into an object."""
