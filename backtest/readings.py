"""The rates that rules measured over a whole log, thinned to what a person can look at.

Of each rule and workflow the highest rate of each stretch of time is kept; the stretches are made
longer whenever there would be too many of them. So memory is bounded, whatever the log.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Records
from detectors.line import Line, Taken
from detectors.plan import Compiled
from detectors.profiles import WATCHED
from detectors.state import NONE

ROWS_MAX = 1 << 20
ROW = np.dtype(
    [
        ("rule", np.int32),  # index in the plan
        ("workflow", np.int32),  # index in `Readings.workflows`
        ("block", np.int64),  # the stretch of time: so many of them since 1970
        ("level", np.int32),  # readings of about the same rate, where that is asked for
        ("count", np.int64),
        ("highest", np.float64),
        ("bound", np.float64),  # the highest
    ],
    align=True,
)
_KEY = ("rule", "workflow", "block", "level")

LEVEL = np.log1p(0.01)
"""Rates of one level differ by 1% at the most (as in DDSketch, Masson, Rim and Lee, 2019)."""
_ZERO = -1000.0  # stands for the logarithm of 0


class Readings:
    """Reads a log as it was, when nothing was paused, a batch at a time."""

    def __init__(
        self,
        compiled: Compiled,
        block_us: int,
        *,
        levels: bool = False,
        wanted: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """Start without any.

        Args:
            compiled: the book whose rules they are of.
            block_us: the shortest stretch of time that is told apart.
            levels: tell readings of different rates apart too, so that quantiles can be had.
            wanted: whether a workflow is.
        """
        self.compiled = compiled
        self._line = Line(compiled, "runs", read_out=True)
        self._levels = levels
        self._wanted = wanted
        self._numbers: dict[str, int] = {}
        self.workflows: list[str] = []
        """Their names; with the times of their first and last events, by number:"""
        self.first_us = np.zeros(0, np.int64)
        self.last_us = np.zeros(0, np.int64)
        self._rows = np.zeros(0, ROW)
        self._new: list[NDArray[np.void]] = []
        self.block_us = block_us

    def take(self, records: Records) -> Taken:
        """Judge records and keep what is read out; a share of fewer events than `min` is not."""
        taken = self._line.take(records)
        told = taken.readings
        rules = self.compiled.plan.rules[told["rule"]]
        told = told[~rules["divided"] | (told["events"] >= rules["least"])]
        numbers = self._numbered(taken)
        rows = np.zeros(told.size, ROW)
        rows["rule"], rows["workflow"] = told["rule"], numbers[told["event"]]
        rows["block"] = taken.columns.batch["time"][told["event"]] // self.block_us
        rows["count"], rows["highest"], rows["bound"] = 1, told["rate"], told["bound"]
        if self._levels:
            rows["level"] = _levels(told["rate"])
        self._new.append(_merged(rows[rows["workflow"] != NONE]))
        if sum(map(len, self._new)) > ROWS_MAX // 4:
            self._fold()
        return taken

    def _numbered(self, taken: Taken) -> NDArray[np.int64]:
        """The workflow of each event, by number; how long each has lived is kept."""
        names, which = taken.columns.workflows_of(np.arange(len(taken.columns.events)))
        numbers = np.array([self._number(name) for name in names], np.int64)[which]
        new = len(self.workflows) - self.first_us.size
        self.first_us = np.append(self.first_us, np.full(new, np.iinfo(np.int64).max))
        self.last_us = np.append(self.last_us, np.full(new, np.iinfo(np.int64).min))
        lives = (numbers != NONE) & (taken.columns.kind == WATCHED)
        times = taken.columns.batch["time"][lives]
        np.minimum.at(self.first_us, numbers[lives], times)
        np.maximum.at(self.last_us, numbers[lives], times)
        return numbers

    def rows(self, block_us: int | None = None) -> NDArray[np.void]:
        """All of them, in order; in stretches of at least so many microseconds."""
        self._fold()
        while block_us is not None and self.block_us < block_us:
            self._coarsen()
        return self._rows

    def _number(self, workflow: str) -> int:
        number = self._numbers.get(workflow)
        if number is None:
            number = len(self.workflows) if self._wanted(workflow) else NONE
            self._numbers[workflow] = number
            if number != NONE:
                self.workflows.append(workflow)
        return number

    def _fold(self) -> None:
        self._rows = _merged(np.concatenate([self._rows, *self._new]))
        self._new = []
        while self._rows.size > ROWS_MAX and self.block_us < 1 << 60:
            self._coarsen()

    def _coarsen(self) -> None:
        self._rows["block"] //= 2
        self.block_us *= 2
        self._rows = _merged(self._rows)


def _merged(rows: NDArray[np.void]) -> NDArray[np.void]:
    """One row for each rule, workflow, stretch and level, in that order."""
    order = np.lexsort([rows[name] for name in reversed(_KEY)])
    rows = rows[order]
    if rows.size == 0:
        return rows
    new = np.ones(rows.size, np.bool_)
    new[1:] = np.any([rows[name][1:] != rows[name][:-1] for name in _KEY], axis=0)
    starts = np.flatnonzero(new)
    merged = rows[starts]
    merged["count"] = np.add.reduceat(rows["count"], starts)
    for name in ("highest", "bound"):
        merged[name] = np.maximum.reduceat(rows[name], starts)
    return merged


def _levels(rates: NDArray[np.float64]) -> NDArray[np.int32]:
    logs = np.full(rates.size, _ZERO)
    np.log(rates, out=logs, where=rates > 0)
    levels: NDArray[np.int32] = np.ceil(logs / LEVEL).astype(np.int32)
    return levels
