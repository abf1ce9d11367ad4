"""The names of recent events, so that a detection can show its evidence.

Windows keep a hash of each event's id. The ids themselves are kept for the last events of the
partition only, counted in the log and not in batches, so that a replay finds the same ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RECENT_MAX = 1 << 16


class Recent:
    """Stored identities and event ids of the last RECENT_MAX events."""

    def __init__(self) -> None:
        self._chunks: deque[tuple[int, NDArray[np.uint64], list[str]]] = deque()
        self._end = 0

    def add(self, idents: NDArray[np.uint64], event_ids: list[str]) -> None:
        """Append events, in log order."""
        if not event_ids:
            return
        self._chunks.append((self._end, idents, event_ids))
        self._end += len(event_ids)
        while self._end - self._chunks[0][0] - len(self._chunks[0][2]) >= RECENT_MAX:
            self._chunks.popleft()

    def find(self, wanted: Sequence[int]) -> list[str]:
        """The ids of these identities, in the order asked, without those too long ago."""
        missing, found = set(wanted), {}
        for start, idents, event_ids in reversed(self._chunks):
            if not missing:
                break
            hits = np.flatnonzero(np.isin(idents, np.array(list(missing), np.uint64)))
            for hit in hits[start + hits >= self._end - RECENT_MAX]:
                found[int(idents[hit])] = event_ids[hit]
            missing -= found.keys()
        return [found[ident] for ident in wanted if ident in found]
