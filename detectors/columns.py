"""A batch of raw records, and the columns that are made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from andon.commands import Position
from andon.errors import EventError
from detectors.wire import Events


class Records(NamedTuple):
    """Raw records of one partition, in log order."""

    values: Sequence[bytes | None]
    keys: Sequence[bytes | None] | None = None
    appended_ms: NDArray[np.int64] | None = None  # the broker's append time, Unix milliseconds
    topic: str = ""
    partition: int = 0
    offsets: Sequence[int] | None = None


class Rejected(NamedTuple):
    """A record that is no event."""

    record: int
    error: EventError


class Columns(NamedTuple):
    """The events of a batch; every array has one entry an event, in log order."""

    events: Events
    event_ids: Sequence[str]
    record: NDArray[np.int64]  # where in the records the event stood
    policy: NDArray[np.int32]  # NONE where no policy watches the event
    kind: NDArray[np.int8]  # WATCHED, UNWATCHED, NOT_LIVE
    workflow: NDArray[np.int32]  # a number for the name; it means something in this batch only
    batch: NDArray[np.void]  # state.EVENT
    groups: NDArray[np.uint64]  # hashes of the values that make groups, (columns, n)
    currencies: list[str]  # what the numbers in `batch["currency"]` stand for
    rejected: list[Rejected]
    records: Records
    workflows: Mapping[str, int]  # the numbers in `workflow`

    def workflows_of(self, places: NDArray[np.intp]) -> tuple[list[str], NDArray[np.intp]]:
        """The different workflows of these events, and of each event which of them it is."""
        workflow = self.workflow[places]
        _, first, which = np.unique(workflow, return_index=True, return_inverse=True)
        return [self.events[place].workflow for place in places[first]], which

    def source(self, index: int) -> Position | None:
        """Where the event stands in the log, if it came from one."""
        offsets = self.records.offsets
        if offsets is None:
            return None
        return Position(
            topic=self.records.topic,
            partition=self.records.partition,
            offset=offsets[int(self.record[index])],
        )
