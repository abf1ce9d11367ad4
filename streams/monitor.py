"""The monitor: hands each partition's batches to its line, and carries out what the line says.

A line's state is a function of the log. When a partition is taken over, its log is read again
from the start without effects, up to where the group had come; then the breakers stand where the
commands say, and records are new.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from faust.types import TP

from andon.breaker import Breaker
from andon.topics import ALERTS, AUDIT, COMMANDS, DEAD_LETTERS
from detectors.columns import Records, Rejected
from detectors.effects import Effects
from detectors.line import Line
from detectors.plan import Compiled
from streams.batch import Batch
from streams.commands_log import CommandsLog
from streams.exporter import Exporter

Headers = list[tuple[str, bytes]]

Send = Callable[[str, bytes | None, bytes | None, Headers | None], Awaitable[Awaitable[Any]]]
"""Queues a record (topic, key, value, headers); what it returns is done when the broker has it."""


@dataclass(slots=True)
class _Seat:
    """One partition that this worker has: its line, and the offset that it reads next."""

    line: Line
    next: int = 0


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
            await self._commands.refresh()
        else:
            self._commands = await self._open_commands()
            self.opened.set()
        seats = {}
        for tp, offset in committed.items():
            seat = self._seats.get(tp)
            if seat is None or seat.next != offset:
                seat = _Seat(Line(self._compiled))
                self._restore(seat.line, tp, offset)
            seats[tp] = seat
        self._seats = seats
        return {tp: seat.next for tp, seat in seats.items()}

    async def revoked(self, partitions: set[TP]) -> None:
        """Lines stay until the next assignment shows which are needed."""

    async def process(self, batch: Batch) -> None:
        """Judge a batch; returns when all that follows from it is written."""
        started = perf_counter()
        seat = self._seats[TP(batch.topic, batch.partition)]
        new = batch.replayed
        if new > 0:
            seat.line.replay(_records(batch, 0, new))
        if new < len(batch):
            records = _records(batch, new, len(batch))
            taken = seat.line.take(records)
            await self._carry_out(taken.effects, records)
            self._exporter.took(taken, seat.line)
        seat.next = batch.last + 1
        self._exporter.finished(batch.partition, len(batch), perf_counter() - started)

    async def follow_people(self) -> None:
        """Read what people have commanded and guards have answered since the last time."""
        for command in await self._commands.refresh():
            if command.issued_by != "monitor":
                for seat in self._seats.values():
                    seat.line.obey(command)
        self._exporter.acked(self._commands.acks)

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

    def _restore(self, line: Line, tp: TP, committed: int) -> None:
        """Set the breakers as they stood at the committed offset."""
        for command in self._commands.commands.values():
            line.forgive(command)
            breaker = Breaker(command.state, command.generation)
            if command.source and command.source.topic == tp.topic:
                if command.source.partition != tp.partition:
                    continue
                if command.source.offset >= committed and command.previous is not None:
                    # Written, but not committed: the same event will bring it about again.
                    breaker = Breaker(command.previous, command.generation - 1)
            line.stand(command, breaker)

    async def _carry_out(self, effects: Effects, records: Records) -> None:
        sends = [
            self._send(topic, item.workflow.encode(), item.to_json(), None)
            for topic, items in _topics(effects)
            for item in items
        ]
        sends += [self._bury(rejected, records) for rejected in effects.rejected]
        # All are queued before the first is waited for.
        await asyncio.gather(*[await send for send in sends])

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
