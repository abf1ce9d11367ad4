"""The names of recent events, so that a detection can show its evidence.

Windows keep a hash of each event's id. The ids themselves are kept for the last events of the
partition only, counted in the log and not in batches, so that a replay finds the same ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

RECENT_MAX = 1 << 16
CHUNK = 512
"""Evidence is mostly recent: it is looked for in pieces, from the newest on."""


class Texts(Sequence[str]):
    """Many short texts in one piece of memory: where each starts, and its length, in bytes."""

    def __init__(self, raw: bytes, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> None:
        self._raw, self._starts, self._lengths = raw, starts, lengths

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Texts: ...

    def __getitem__(self, index: int | slice) -> str | Texts:
        if isinstance(index, slice):
            return Texts(self._raw, self._starts[index], self._lengths[index])
        start = self._starts[index]
        return self._raw[start : start + self._lengths[index]].decode()


class Recent:
    """Stored identities and event ids of the last RECENT_MAX events."""

    def __init__(self) -> None:
        self._chunks: deque[Chunk] = deque()
        self._batch = 0  # events before the newest batch
        self._end = 0

    def add(self, keys: NDArray[np.uint64], event_ids: Sequence[str]) -> None:
        """Append a batch of events, in log order. `keys` may be filled in later."""
        self._batch = self._end
        for start in range(0, len(event_ids), CHUNK):
            part = slice(start, start + CHUNK)
            self._chunks.append(Chunk(self._end, keys[part], event_ids[part]))
            self._end = self._chunks[-1].end
        while self._chunks and self._end - self._chunks[0].end >= RECENT_MAX + len(event_ids):
            self._chunks.popleft()

    def find(self, wanted: Sequence[int], upto: int) -> list[str]:
        """Their ids in the order asked, without those that were too long ago.

        Args:
            wanted: stored identities.
            upto: how many events of the newest batch had arrived.
        """
        missing, found = set(wanted), {}
        newest = self._batch + upto
        for chunk in reversed(self._chunks):
            if not missing or chunk.end <= newest - RECENT_MAX:
                break
            if chunk.start >= newest:
                continue
            hits = np.isin(chunk.keys, np.array(list(missing), np.uint64))
            for hit in map(int, np.flatnonzero(hits)):
                if newest - RECENT_MAX <= chunk.start + hit < newest:
                    found[int(chunk.keys[hit])] = chunk.event_ids[hit]
            missing -= found.keys()
        return [found[key] for key in wanted if key in found]

    def dump(self) -> tuple[NDArray[np.uint64], list[str], int]:
        """Stored identities, their event ids, and how many events there were in all."""
        keys = [chunk.keys for chunk in self._chunks]
        event_ids = [event_id for chunk in self._chunks for event_id in chunk.event_ids]
        return np.concatenate([*keys, np.zeros(0, np.uint64)]), event_ids, self._end

    @classmethod
    def of(cls, keys: NDArray[np.uint64], event_ids: list[str], end: int) -> Recent:
        """What `dump` has told of."""
        recent = cls()
        recent._end = end - len(event_ids)
        recent.add(keys, event_ids)
        return recent


class Chunk(NamedTuple):
    """A piece of a batch; `start` counts the events before it."""

    start: int
    keys: NDArray[np.uint64]
    event_ids: Sequence[str]

    @property
    def end(self) -> int:
        """Counts the events up to its last."""
        return self.start + len(self.event_ids)
