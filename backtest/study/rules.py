"""The rules that are compared, each over many streams of events at once.

A rule takes one event of every stream at a time: `step(bad)` with bool (streams,) answers which
streams trip; `restart(which)` lets those begin afresh; `keep(which)` goes on with those alone.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.evidence import proof

Which = NDArray[np.bool_]


class Rule(Protocol):
    """A rule over many streams."""

    def step(self, bad: Which) -> Which:
        """Count one event of each stream; which streams trip at it."""

    def restart(self, which: Which) -> None:
        """Let these streams begin afresh."""

    def keep(self, which: Which) -> None:
        """Go on with these streams alone."""


class Evidence:
    """`method: evidence`, as the engine computes it."""

    def __init__(self, streams: int, null: float, promise: float) -> None:
        self._proof = proof(null, promise)
        self._factors = np.array([self._proof.if_good, self._proof.if_bad])
        self._sums = np.zeros((streams, self._factors.shape[1]))

    def step(self, bad: Which) -> Which:
        self._sums += 1
        self._sums *= self._factors[bad.astype(np.intp)]
        return np.asarray(bad & (self._sums.mean(axis=1) >= self._proof.promise))

    def restart(self, which: Which) -> None:
        self._sums[which] = 0

    def keep(self, which: Which) -> None:
        self._sums = self._sums[which]


class CountWindow:
    """At least `most` bad ones among the last `size` events, of which there must be `least`."""

    def __init__(self, streams: int, size: int, most: int, least: int = 1) -> None:
        self._size, self._most, self._least = size, most, least
        self._last = np.zeros((size, streams), np.bool_)
        self._bad = np.zeros(streams, np.int64)
        self._seen = np.zeros(streams, np.int64)
        self._next = 0

    def step(self, bad: Which) -> Which:
        self._bad += bad
        self._bad -= self._last[self._next]
        self._last[self._next] = bad
        self._next = (self._next + 1) % self._size
        self._seen += 1
        return np.asarray((self._bad >= self._most) & (self._seen >= self._least))

    def restart(self, which: Which) -> None:
        self._last[:, which] = False
        self._bad[which] = self._seen[which] = 0

    def keep(self, which: Which) -> None:
        self._last, self._bad = self._last[:, which], self._bad[which]
        self._seen = self._seen[which]
