"""Mean runs to a false trip, and mean delays to a true one."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log
from typing import NamedTuple

import numpy as np

from backtest.study.rules import Rule

HEALTHY = 0.03
"""The rate before things go wrong."""

Make = Callable[[int], Rule]
"""Makes a rule over so many streams."""


class Run(NamedTuple):
    """How long streams ran between trips: events in all, trips in all."""

    events: int
    trips: int

    @property
    def mean(self) -> float:
        """Events to a trip; the maximum-likelihood estimate where streams ended without one."""
        return self.events / self.trips if self.trips else inf


class Delay(NamedTuple):
    """Events from the change to the trip, where there was one before the simulation ended."""

    mean: float
    error: float  # standard error of the mean
    missed: float  # share of the streams that did not trip


def false_run(make: Make, rate: float, seed: int, *, streams: int, events: int) -> Run:
    """Run so many streams for so many events each; after a trip a stream begins afresh."""
    rng, rule, trips = np.random.default_rng(seed), make(streams), 0
    for _ in range(events):
        tripped = rule.step(rng.random(streams) < rate)
        if tripped.any():
            rule.restart(tripped)
            trips += int(tripped.sum())
    return Run(streams * events, trips)


def delay(
    make: Make, rate: float, seed: int, *, streams: int, healthy: int = 0, longest: int = 20_000
) -> Delay:
    """Let the rate rise after so many healthy events; a false trip before that begins afresh."""
    rng, rule = np.random.default_rng(seed), make(streams)
    for _ in range(healthy):
        rule.restart(rule.step(rng.random(streams) < HEALTHY))
    delays: list[int] = []
    running = streams
    for event in range(1, longest + 1):
        tripped = rule.step(rng.random(running) < rate)
        if tripped.any():
            delays += [event] * int(tripped.sum())
            rule.keep(~tripped)
            running = streams - len(delays)
            if not running:
                break
    mean = float(np.mean(delays)) if delays else inf
    error = float(np.std(delays)) / len(delays) ** 0.5 if delays else 0.0
    return Delay(mean, error, running / streams)


def best_delay(promise: float, rate: float, null: float) -> float:
    """log(promise) / KL: what no rule with this promise beats by much, for rare false trips."""
    divergence = rate * log(rate / null) + (1 - rate) * log((1 - rate) / (1 - null))
    return log(promise) / divergence
