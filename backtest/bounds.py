"""Bounds from history: how high a rate usually gets, what stands out from that, and a margin.

A history may hold incidents, and a bound must not be raised to them. So of each workflow

- the **usual peak** is the highest rate that came back in each third of its history: an incident
  is in one of them, or in two, and what a business does every week is in all;
- what rises above **twice** the usual peak, and above what chance may add to it, stands out and is
  left out;
- the **bound** is a margin above the highest peak that is left.

Chance: of n independent events the standard deviation is sqrt(n) (Poisson). A rate is as many
events as it holds `unit`s: 1 for counts, 1 / `min` for shares. Two deviations are allowed for.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from andon.policy import SHARES, Rate, Rule
from detectors.plan import MICRO

PARTS = 3
APART = 2.0
"""So many times the usual peak is no longer usual."""
STRETCHES_MIN = 6
"""Over fewer stretches of time nobody can say what is usual."""
EVIDENCE_MIN = 100
"""Events of which a share is taken, for rules by evidence: they have no `min`."""
QUANTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


class Peak(NamedTuple):
    """The highest rate of a workflow in one stretch of time."""

    workflow: int
    block: int
    rate: float


class History(NamedTuple):
    """Readings of all rules, in stretches of one length."""

    rows: NDArray[np.void]  # readings.ROW, with levels, in order
    block_us: int
    first: NDArray[np.int64]  # stretch of each workflow, by number, whatever was measured in it
    last: NDArray[np.int64]

    def until(self, block: int) -> History:
        """What lies before a stretch."""
        rows = self.rows[self.rows["block"] < block]
        return self._replace(rows=rows, last=np.minimum(self.last, block - 1))


class Found(NamedTuple):
    """What a history says of one rule."""

    peaks: list[Peak]  # of healthy stretches
    apart: list[Peak]  # of those that stand out
    events: int  # at which it was measured in healthy stretches
    quantiles: dict[str, float]  # of the rates at these, and `max`

    def bound(self, rule: Rule, margin: float) -> float | None:
        """What is proposed; None where there is nothing to go by, or no room for a bound."""
        if not self.peaks:
            return None
        return bound_above(rule, max(peak.rate for peak in self.peaks), margin)


def look_at(rule: Rule, place: int, history: History) -> Found:
    """Tell what is usual from what stands out; `place` is the rule's in the plan."""
    rows = history.rows[history.rows["rule"] == place]
    healthy = np.zeros(rows.size, np.bool_)
    peaks: list[Peak] = []
    apart: list[Peak] = []
    workflows, starts = np.unique(rows["workflow"], return_index=True)
    parts = np.split(np.arange(rows.size), starts[1:])
    for workflow, part in zip(workflows.tolist(), parts, strict=False):
        blocks, starts = np.unique(rows["block"][part], return_index=True)
        stretches = np.split(part, starts[1:])
        highest = np.array([rows["highest"][stretch].max() for stretch in stretches])
        limit = fence(rule, history, workflow, blocks, highest)
        if limit is None:
            continue
        for block, rate, stretch in zip(blocks.tolist(), highest.tolist(), stretches, strict=True):
            (peaks if rate <= limit else apart).append(Peak(workflow, block, rate))
            healthy[stretch] = rate <= limit
    left = rows[healthy]
    return Found(peaks, apart, int(left["count"].sum()), quantiles(left))


def fence(
    rule: Rule,
    history: History,
    workflow: int,
    blocks: NDArray[np.int64],
    peaks: NDArray[np.float64],
) -> float | None:
    """What is above is not usual for a workflow with these peaks in these stretches.

    None where it lived too briefly, or a third of its life has no rate.
    """
    first = int(history.first[workflow])
    stretches = int(history.last[workflow]) - first + 1
    if stretches < STRETCHES_MIN or PARTS * rule.over * MICRO > stretches * history.block_us:
        return None
    parts = (blocks - first) * PARTS // stretches
    if np.unique(parts).size < PARTS:
        return None
    usual = min(float(peaks[parts == part].max()) for part in range(PARTS))
    return max(APART * usual, usual + chance(rule, usual))


def unit(rule: Rule) -> float:
    """What one event more adds to a rate, at most; 0 for money, which knows no unit."""
    if rule.rate in SHARES:
        return 1 / (EVIDENCE_MIN if rule.method == "evidence" else rule.min)
    return 0.0 if rule.rate is Rate.VALUE else 1.0


def chance(rule: Rule, rate: float) -> float:
    """What chance may well add to a rate: two standard deviations, and at least one event."""
    one = unit(rule)
    return max(2 * math.sqrt(one * rate), one)


def bound_above(rule: Rule, peak: float, margin: float) -> float | None:
    """The bound over a healthy peak, to two digits; None where no share is above it."""
    wanted = rounded_up(max(margin * peak, peak + chance(rule, peak)))
    if rule.rate is Rate.VALUE:
        return wanted or None
    if rule.rate not in SHARES:
        return float(math.ceil(wanted))
    if rule.rate is Rate.REVERSAL and rule.attribute == "arrival":
        return wanted
    return min(wanted, float(f"{(peak + 1) / 2:.4g}")) if peak < 1 else None


def rounded_up(number: float) -> float:
    """To two digits."""
    if number <= 0:
        return 0.0
    size = 10.0 ** (math.floor(math.log10(number)) - 1)
    return float(f"{math.ceil(number / size - 1e-9) * size:.12g}")


def quantiles(rows: NDArray[np.void]) -> dict[str, float]:
    """Of the rate at every event, to 1%; and the highest, exactly."""
    if rows.size == 0:
        return {}
    order = np.argsort(rows["highest"], kind="stable")
    rates, counts = rows["highest"][order], np.cumsum(rows["count"][order])
    places = {name: np.searchsorted(counts, part * counts[-1]) for name, part in QUANTILES.items()}
    return {name: float(rates[place]) for name, place in places.items()} | {"max": float(rates[-1])}
