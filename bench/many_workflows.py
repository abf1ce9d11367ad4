"""100,000 workflows: while all are new, a restart from snapshots, and from then on."""

from __future__ import annotations

from itertools import islice

from bench.events import events
from bench.monitor import monitor, pace
from bench.sizes import Runs, Sizes
from bench.topic import broker, fill


def measure(sizes: Sizes) -> Runs:
    """Monitors read half of the log and stop; the other half is written, and they go on."""
    new: list[float] = []
    runs: Runs = {
        name: []
        for name in (
            "monitor_events_per_s_100k_workflows",
            "recovery_s_100k_workflows",
            "recovery_peak_mb_100k_workflows",
        )
    }
    half = sizes.events // 2
    log = events(2 * half, sizes.workflows_many)
    groups = [f"bench-{run}" for run in range(sizes.runs)]
    with broker() as place:
        fill(place.servers, islice(log, half))
        for group in groups:
            with monitor(place, group) as watched:
                new.append(pace(watched, half).events_per_s)
        fill(place.servers, log)
        for group in groups:
            with monitor(place, group) as watched:
                went = pace(watched, half)
                found = (went.events_per_s, went.first_at - watched.started, watched.memory_mb())
            for values, value in zip(runs.values(), found, strict=True):
                values.append(value)
    return runs | {"monitor_events_per_s_100k_new_workflows": new}
