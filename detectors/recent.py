"""The names of recent events, so that a detection can show its evidence.

Windows keep a hash of each event's id. The ids themselves are kept for the last events of the
partition only, counted in the log and not in batches, so that a replay finds the same ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RECENT_MAX = 1 << 16


class Recent:
    """Stored identities and event ids of the last RECENT_MAX events."""

    def __init__(self) -> None:
        self._chunks: deque[Chunk] = deque()
        self._end = 0

    def add(self, idents: NDArray[np.uint64], event_ids: list[str]) -> None:
        """Append a batch of events, in log order."""
        if not event_ids:
            return
        self._chunks.append(Chunk(self._end, idents, event_ids))
        self._end += len(event_ids)
        while self._end - self._chunks[0].end >= RECENT_MAX:
            self._chunks.popleft()

    def find(self, wanted: Sequence[int], upto: int) -> list[str]:
        """Their ids in the order asked, without those that were too long ago.

        Args:
            wanted: stored identities.
            upto: how many events of the newest batch had arrived.
        """
        missing, found = set(wanted), {}
        newest = self._chunks[-1].start + upto
        for chunk in reversed(self._chunks):
            if not missing:
                break
            hits = np.flatnonzero(np.isin(chunk.idents, np.array(list(missing), np.uint64)))
            for hit in hits:
                if newest - RECENT_MAX <= chunk.start + hit < newest:
                    found[int(chunk.idents[hit])] = chunk.event_ids[hit]
            missing -= found.keys()
        return [found[ident] for ident in wanted if ident in found]


class Chunk(NamedTuple):
    """One batch; `start` counts the events before it."""

    start: int
    idents: NDArray[np.uint64]
    event_ids: list[str]

    @property
    def end(self) -> int:
        """Counts the events up to its last."""
        return self.start + len(self.event_ids)
