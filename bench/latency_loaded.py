"""The same latencies while other workflows write 50,000 events a second."""

from __future__ import annotations

from time import monotonic

from bench.latency import POLICY, program, taken_turns
from bench.monitor import monitor
from bench.sizes import Runs, Sizes
from bench.topic import broker


def measure(sizes: Sizes) -> Runs:
    """`background_events_per_s` is what the monitor got through meanwhile."""
    with (
        broker() as place,
        monitor(place, "bench-loaded", POLICY) as watched,
        program("bench.load", place.servers, str(sizes.load_per_s)),
    ):
        before, began = watched.finished()[0], monotonic()
        runs = taken_turns(place, sizes.runs, sizes.trips_loaded, "_loaded")
        done = watched.finished()[0] - before
        return runs | {"background_events_per_s": [done / (monotonic() - began)]}
