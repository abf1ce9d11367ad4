"""The same latencies while other workflows write 50,000 events a second, or as many as go through.

The machine that is measured also writes the load: where that takes too much of it, the next lower
rate is taken, and the one that was held is told.
"""

from __future__ import annotations

from time import monotonic, sleep

from bench.latency import POLICY, program, taken_turns
from bench.monitor import Watched, monitor
from bench.sizes import Runs, Sizes
from bench.topic import Place, broker

SHARES = (1.0, 0.4, 0.2, 0.1)
"""Of the rate that is aimed at, until the monitor holds one."""
HELD = 0.9
SETTLE_S = 5.0
LOAD_S = 900.0
"""The longest that all turns may take; the load ends then."""
DRAIN_S = 60.0


def measure(sizes: Sizes) -> Runs:
    """`background_events_per_s` is what the monitor got through meanwhile.

    Raises:
        TimeoutError: not even the lowest rate was held, or a trip or hop did not come through.
    """
    with broker() as place, monitor(place, "bench-loaded", POLICY) as watched:
        for share in SHARES:
            if runs := _under(place, watched, share * sizes.load_per_s, sizes):
                return runs
            _drain(watched)
    raise TimeoutError(f"the monitor holds less than {SHARES[-1] * sizes.load_per_s:,.0f} events/s")


def _under(place: Place, watched: Watched, per_s: float, sizes: Sizes) -> Runs:
    """Nothing, where such a load does not get through."""
    with program("bench.load", place.servers, f"{per_s:.0f}", patience_s=LOAD_S):
        sleep(SETTLE_S)
        before, began = watched.finished()[0], monotonic()
        sleep(SETTLE_S)
        rate = _rate(watched, before, began)
        print(f"{rate:,.0f} of {per_s:,.0f} events/s got through", flush=True)
        if rate < HELD * per_s:
            return {}
        runs = taken_turns(place, sizes.runs, sizes.trips_loaded, "_loaded")
        return runs | {"background_events_per_s": [_rate(watched, before, began)]}


def _rate(watched: Watched, before: float, began: float) -> float:
    return (watched.finished()[0] - before) / (monotonic() - began)


def _drain(watched: Watched) -> None:
    """Wait until the monitor has nothing left to do; not for ever."""
    deadline, done = monotonic() + DRAIN_S, -1.0
    while monotonic() < deadline and (now := watched.finished()[0]) != done:
        done = now
        sleep(1)
