"""Which workflows do not simply run, by their numbers in the batch at hand.

One outage may trip thousands of workflows in one batch, and each trip asks about the rest of the
batch: so the question is answered by arrays that follow each step, not by names.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Columns

NEVER = int(np.iinfo(np.int64).max)


class Marks:
    """Marks of a batch's workflows; each array has one entry a number."""

    def __init__(self) -> None:
        self._of: NDArray[np.int32] | None = None
        self._numbers: Mapping[str, int] = {}
        self._held = np.zeros(0, np.bool_)
        self._refused = np.zeros(0, np.bool_)
        self._due_us = np.zeros(0, np.int64)

    def begin(self, columns: Columns) -> bool:
        """Be about this batch; whether that is new, and all marks are to be made."""
        if self._of is columns.workflow:
            return False
        self._of, self._numbers, size = columns.workflow, columns.workflows, len(columns.workflows)
        self._held, self._refused = np.zeros(size, np.bool_), np.zeros(size, np.bool_)
        self._due_us = np.full(size, NEVER)
        return True

    def mark(self, workflow: str, *, held: bool, refused: bool, due_us: int | None) -> None:
        """Mark a workflow; one that has no number in this batch has no events in it."""
        number = self._numbers.get(workflow)
        if number is not None and number < self._held.size:
            self._held[number], self._refused[number] = held, refused
            self._due_us[number] = NEVER if due_us is None else due_us

    def held(self, columns: Columns, span: range) -> NDArray[np.intp]:
        """The events of the span whose workflows do not simply run."""
        return span.start + np.flatnonzero(self._held[columns.workflow[span.start : span.stop]])

    def refused(self, columns: Columns, span: range) -> NDArray[np.intp]:
        """The events of the span whose workflows are paused."""
        return span.start + np.flatnonzero(self._refused[columns.workflow[span.start : span.stop]])

    def due(self, columns: Columns, start: int) -> int:
        """The first event from `start` on by which its workflow's pause is over, or the end."""
        dues = self._due_us[columns.workflow[start:]]
        is_over = columns.batch["time"][start:] >= dues
        return start + int(is_over.argmax() if is_over.any() else is_over.size)
