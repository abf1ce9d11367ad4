"""The records of a log that lies in several files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from andon.log_files import read_blocks
from backtest.replay import batches
from detectors.columns import Records
from detectors.line import Taken


class Source(Protocol):
    """Where records come from: files, or a topic."""

    def batches(self) -> Iterator[Records]:
        """The records from the beginning, in log order; offsets only grow."""

    def rejects(self, taken: Taken) -> Iterator[str]:
        """What is wrong with the records of a batch that are no events, and where they are."""


class Log:
    """The lines of several files, one after the other; knows where each one stood."""

    def __init__(self, files: Sequence[str], told: Callable[[int], None] = lambda _: None) -> None:
        """`told` hears of each piece of a file that was read, in bytes as they lie on disk."""
        self._files = files
        self._told = told
        self._starts: list[tuple[int, str]] = []

    def __iter__(self) -> Iterator[bytes]:
        """One record after the other.

        Raises:
            FileError: a file cannot be read.
        """
        record, self._starts = 0, []
        for name in self._files:
            self._starts.append((record, name))
            for lines in read_blocks(name, self._told):
                yield from lines
                record += len(lines)

    def batches(self) -> Iterator[Records]:
        """All of them, from the beginning, in pieces."""
        return batches(self)

    def rejects(self, taken: Taken) -> Iterator[str]:
        """What is wrong with those of a batch that are no events, by file and line."""
        for rejected in taken.effects.rejected:
            offsets = taken.columns.records.offsets
            assert offsets is not None
            yield f"{self._place(offsets[rejected.record])}: {rejected.error}"

    def _place(self, record: int) -> str:
        start, name = next(entry for entry in reversed(self._starts) if entry[0] <= record)
        return f"{name}:{record - start + 1}"


def tell_rejects(source: Source, taken: Taken) -> None:
    """Say on standard error what of a batch is no event."""
    for reject in source.rejects(taken):
        print(reject, file=sys.stderr)
