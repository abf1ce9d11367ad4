"""One partition that a worker has: its line, how far it has read, and the commands in its way."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from faust.types import TP

from andon.breaker import Cause
from andon.commands import Command
from andon.topics import SCOPES
from detectors.columns import Records
from detectors.forgetting import Bounds
from detectors.line import Line
from detectors.plan import Compiled
from streams.batch import Batch
from streams.snapshots import Mark

BY_TIME = (Cause.WAITED, Cause.ELAPSED)
Move = tuple[int, Command]
"""A command of the log, and the offset of the record that it came before."""


@dataclass(slots=True)
class Seat:
    """A line, and the offset that it reads next.

    `moves` are commands of the log that the line has still to come to, in order.
    """

    line: Line
    next: int = 0
    moves: deque[Move] = field(default_factory=deque)
    last: Mark | None = None  # the record that it has judged last; None while it is at work

    @classmethod
    def empty(cls, tp: TP, compiled: Compiled, bounds: Bounds) -> Seat:
        """At the beginning of a partition's log, where every workflow runs."""
        return cls(Line(compiled, bounds=bounds, scoped=tp.topic == SCOPES))

    def learn(self, moves: Iterable[Move]) -> None:
        """Take in the log's commands of now, as far as they are not known yet."""
        self.moves = deque(move for move in moves if not self.line.standings.is_past(move[1]))
        self.reach(self.next)

    def reach(self, offset: int) -> None:
        """Let the breakers move as they did before the record at `offset`."""
        while self.moves and self.moves[0][0] <= offset:
            command = self.moves.popleft()[1]
            if not self.line.standings.stands_by(command):
                self.line.obey(command)

    def hear(self, command: Command) -> None:
        """Obey a person now, or in turn."""
        if self.moves:
            self.moves.append((self.moves[-1][0], command))
        else:
            self.line.obey(command)

    def stretches(self, batch: Batch) -> Iterator[tuple[int, int]]:
        """Cut a batch where records begin to be new and where a breaker is to move by a command."""
        start = 0
        while start < len(batch):
            self.reach(batch.offsets[start])
            end = len(batch) if start >= batch.replayed else batch.replayed
            if self.moves:
                end = min(end, bisect_left(batch.offsets, self.moves[0][0]))
            yield start, end
            start = end

    def replay(self, batch: Batch) -> None:
        """Let a batch pass through the windows; what followed from it was done before."""
        for start, end in self.stretches(batch):
            self.line.replay(records_of(batch, start, end))
        self.arrive(batch.last + 1)

    def arrive(self, offset: int) -> None:
        """All before `offset` is read."""
        self.next = offset
        self.reach(offset)


def moves_of(history: Mapping[str, list[Command]], tp: TP, committed: int) -> list[Move]:
    """The commands of the log that concern a partition, in order.

    Time that is over moved a breaker before an event; all else came after one. What the monitor
    wrote because of events that are not committed comes after them in any case: the same events
    bring it about again, and where other policies do not, guards obey it all the same.
    """
    moves: list[Move] = []
    for commands in history.values():
        at = 0
        for command in commands:
            source = command.source
            if source is None:
                moves.append((at, command))
            elif (source.topic, source.partition) == (tp.topic, tp.partition):
                woke = command.cause in BY_TIME and source.offset < committed
                at = source.offset + (not woke)
                moves.append((at, command))
    return sorted(moves, key=lambda move: move[0])


def records_of(batch: Batch, start: int, end: int) -> Records:
    """A stretch of a batch, as a line takes it."""
    return Records(
        values=batch.values[start:end],
        keys=batch.keys[start:end],
        appended_ms=np.array(batch.timestamps[start:end], np.int64),
        topic=batch.topic,
        partition=batch.partition,
        offsets=batch.offsets[start:end],
    )
