"""The monitor: hands each partition's batches to its line, and carries out what the line says.

A line's state is a function of the log. When a partition is taken over, its log is read again
from the start without effects, up to where the group had come; breakers move on the way as the
commands say that they did. From there on records are new.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from faust.types import TP

from andon.breaker import State
from andon.commands import Command
from andon.topics import ALERTS, AUDIT, COMMANDS, DEAD_LETTERS
from detectors.columns import Records, Rejected
from detectors.effects import Effects
from detectors.line import Line, Taken
from detectors.plan import Compiled
from streams.batch import Batch
from streams.commands_log import CommandsLog
from streams.exporter import Exporter

Headers = list[tuple[str, bytes]]

Send = Callable[[str, bytes | None, bytes | None, Headers | None], Awaitable[Awaitable[Any]]]
"""Queues a record (topic, key, value, headers); what it returns is done when the broker has it."""


@dataclass(slots=True)
class _Seat:
    """One partition that this worker has: its line, and the offset that it reads next.

    `moves` are commands that were in the log when the partition was taken over, each with the
    offset that it came before.
    """

    line: Line
    moves: deque[tuple[int, Command]]
    next: int = 0

    def reach(self, offset: int) -> None:
        """Let the breakers move as they did before the record at `offset`."""
        while self.moves and self.moves[0][0] <= offset:
            self.line.obey(self.moves.popleft()[1])

    def hear(self, command: Command) -> None:
        """Obey a person now, or in turn."""
        if self.moves:
            self.moves.append((self.moves[-1][0], command))
        else:
            self.line.obey(command)


class Monitor:
    """The processor of the event topic's batches (see streams.transport.Processor)."""

    def __init__(
        self,
        compiled: Compiled,
        open_commands: Callable[[], Awaitable[CommandsLog]],
        send: Send,
        exporter: Exporter,
    ) -> None:
        self._compiled = compiled
        self._open_commands = open_commands
        self._commands: CommandsLog
        self.opened = asyncio.Event()
        self._send = send
        self._exporter = exporter
        self._seats: dict[TP, _Seat] = {}

    async def assigned(self, committed: Mapping[TP, int]) -> Mapping[TP, int]:
        """Keep the lines that stand where the group stands; rebuild the others from the log."""
        if self.opened.is_set():
            await self.follow_people()
        else:
            self._commands = await self._open_commands()
            self._exporter.acked(self._commands.acks, count=False)
            self.opened.set()
        seats = {}
        for tp, offset in committed.items():
            seat = self._seats.get(tp)
            if seat is None or seat.next != offset:
                moves = sorted(self._moves(tp, offset), key=lambda move: move[0])
                seat = _Seat(Line(self._compiled), deque(moves))
                seat.reach(0)
            seats[tp] = seat
        self._seats = seats
        return {tp: seat.next for tp, seat in seats.items()}

    async def revoked(self, partitions: set[TP]) -> None:
        """Lines stay until the next assignment shows which are needed."""

    async def process(self, batch: Batch) -> None:
        """Judge a batch; returns when all that follows from it is written."""
        started = perf_counter()
        seat = self._seats[TP(batch.topic, batch.partition)]
        if seat.line.standings.any_paused:
            # Actions that a person has allowed come after the command: it must be heard first.
            await self.follow_people()
        for start, end in _stretches(seat, batch):
            records = _records(batch, start, end)
            if start < batch.replayed:
                seat.line.replay(records)
            else:
                taken = self._news(seat.line.take(records))
                await self._carry_out(taken.effects, records)
                self._exporter.took(taken, seat.line)
        seat.next = batch.last + 1
        seat.reach(seat.next)
        self._exporter.finished(batch.partition, len(batch), perf_counter() - started)

    async def follow_people(self) -> None:
        """Read what people have commanded and guards have answered since the last time."""
        for command in await self._commands.refresh():
            if command.issued_by != "monitor":
                for seat in self._seats.values():
                    seat.hear(command)
        self._exporter.acked(self._commands.acks)
        for workflow, holds in self._commands.commands.items():
            # Compaction keeps the newest record: it must be the one that holds.
            if self._commands.newest[workflow] != holds:
                await (await self._send(COMMANDS, workflow.encode(), holds.to_json(), None))

    @property
    def partitions(self) -> list[TP]:
        """What this worker has."""
        return list(self._seats)

    def show(self, ends: Mapping[TP, int]) -> None:
        """Set the gauges.

        Args:
            ends: the log end of each partition, as far as known.
        """
        lines = [seat.line for seat in self._seats.values()]
        lag = {tp.partition: max(0, ends.get(tp, 0) - s.next) for tp, s in self._seats.items()}
        self._exporter.show(lines, lag)

    def _moves(self, tp: TP, committed: int) -> Iterator[tuple[int, Command]]:
        """The commands of the log, in order, each with the offset that it came before.

        Those of the monitor that were written but whose events are not committed are left out:
        the same events will bring them about again. What a person commanded in between follows
        them then as it did before.
        """
        for history in self._commands.history.values():
            at = 0
            for command in history:
                source = command.source
                if source is None:
                    yield at, command
                elif (source.topic, source.partition) == (tp.topic, tp.partition):
                    # A wait is over before an event, all else comes after one.
                    at = source.offset + (command.state is not State.HALF_OPEN)
                    if source.offset < committed:
                        yield at, command

    def _news(self, taken: Taken) -> Taken:
        """Without the commands that a worker before us has written."""
        effects = taken.effects
        log = self._commands.history
        new = [item for item in effects.commands if not _holds(log.get(item.workflow, []), item)]
        return taken._replace(effects=effects._replace(commands=new))

    async def _carry_out(self, effects: Effects, records: Records) -> None:
        # All are queued before the first is waited for.
        sent = [
            await self._send(topic, item.workflow.encode(), item.to_json(), None)
            for topic, items in _topics(effects)
            for item in items
        ]
        sent += [await self._bury(rejected, records) for rejected in effects.rejected]
        await asyncio.gather(*sent)

    def _bury(self, rejected: Rejected, records: Records) -> Any:
        assert records.keys is not None
        assert records.offsets is not None
        headers = {
            "andon-field": rejected.error.field,
            "andon-reason": str(rejected.error),
            "andon-topic": records.topic,
            "andon-partition": str(records.partition),
            "andon-offset": str(records.offsets[rejected.record]),
        }
        return self._send(
            DEAD_LETTERS,
            records.keys[rejected.record],
            records.values[rejected.record],
            [(name, text.encode(errors="replace")) for name, text in headers.items()],
        )


def _stretches(seat: _Seat, batch: Batch) -> Iterator[tuple[int, int]]:
    """Cut a batch where records begin to be new and where a breaker is to move by a command."""
    start = 0
    while start < len(batch):
        seat.reach(batch.offsets[start])
        end = len(batch) if start >= batch.replayed else batch.replayed
        if seat.moves:
            end = min(end, bisect_left(batch.offsets, seat.moves[0][0]))
        yield start, end
        start = end


def _holds(history: list[Command], command: Command) -> bool:
    return any(command.command_id == known.command_id for known in history)


def _topics(effects: Effects) -> list[tuple[str, list[Any]]]:
    return [(COMMANDS, effects.commands), (ALERTS, effects.alerts), (AUDIT, effects.audits)]


def _records(batch: Batch, start: int, end: int) -> Records:
    return Records(
        values=batch.values[start:end],
        keys=batch.keys[start:end],
        appended_ms=np.array(batch.timestamps[start:end], np.int64),
        topic=batch.topic,
        partition=batch.partition,
        offsets=batch.offsets[start:end],
    )
