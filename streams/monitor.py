"""The monitor: hands each partition's batches to its line, and carries out what the line says.

A line's state is a function of the log. When a partition is taken over, its log is read again
without effects, from its snapshot or from its start, up to where the group had come; breakers
move on the way as the commands say that they did. From there on records are new. When the
policies change, a line under the new ones is built in the same way beside the old one, which stays
in force until then.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from itertools import chain
from time import perf_counter
from typing import Any

from faust.types import TP

from andon.commands import Ack, Alert, Audit, Command, Position
from andon.permits import Permits
from andon.signing import Signer
from andon.topics import ALERTS, AUDIT, COMMANDS, DEAD_LETTERS, EVENTS, PERMITS, SCOPES
from detectors.columns import Records, Rejected
from detectors.forgetting import BOUNDS, Bounds
from detectors.line import Taken
from detectors.plan import Compiled
from streams.batch import Batch
from streams.closed_loop import ClosedLoop
from streams.commands_log import CommandsLog
from streams.exporter import Exporter
from streams.log_reader import Read
from streams.pauses import Pauses
from streams.policy_records import begun
from streams.seat import Seat, moves_of, records_of
from streams.snapshots import Mark, Snapshots

Headers = list[tuple[str, bytes]]

Send = Callable[[str, bytes | None, bytes | None, Headers | None], Awaitable[Awaitable[Any]]]
"""Queues a record (topic, key, value, headers); what it returns is done when the broker has it."""

CLOSE_RECORDS = 10_000
"""How many records a new line may be behind when it is time to let events wait for it."""
HOLD_S = 30.0

log = logging.getLogger("andon.monitor")


class Monitor:
    """The processor of the event topic's batches (see streams.transport.Processor)."""

    def __init__(
        self,
        compiled: Compiled,
        open_commands: Callable[[], Awaitable[CommandsLog]],
        open_reader: Callable[[], AbstractAsyncContextManager[Read]],
        send: Send,
        exporter: Exporter,
        snapshots: Snapshots,
        bounds: Bounds = BOUNDS,
        signer: Signer | None = None,
    ) -> None:
        self._compiled = compiled
        self._bounds = bounds
        self._signer = signer
        self._snapshots = snapshots
        self._open_commands = open_commands
        self._open_reader = open_reader
        self._commands: CommandsLog
        self.opened = asyncio.Event()
        self._send = send
        self._exporter = exporter
        self._seats: dict[TP, Seat] = {}
        self._pauses = Pauses(ClosedLoop(datetime.now(UTC)), exporter, self.write)
        self._turn = asyncio.Lock()  # held while lines change places, or one is at work

    async def assigned(self, committed: Mapping[TP, int]) -> Mapping[TP, int]:
        """Keep the lines that stand where the group stands; rebuild the others from the log."""
        async with self._turn:
            return await self._take_over(committed)

    async def _take_over(self, committed: Mapping[TP, int]) -> Mapping[TP, int]:
        if self.opened.is_set():
            await self.follow_people()
        else:
            self._commands = await self._open_commands()
            acks = chain.from_iterable(each.values() for each in self._commands.acks.values())
            self._exporter.acked(acks, count=False)
            self.opened.set()
        seats = {tp: seat for tp, seat in self._seats.items() if seat.next == committed.get(tp)}
        others = {tp: offset for tp, offset in committed.items() if tp not in seats}
        restored = await self._snapshots.restore(self._compiled, self._bounds, others)
        for tp, offset in others.items():
            seats[tp] = Seat(*restored[tp]) if tp in restored else self._empty_seat(tp)
            seats[tp].learn(moves_of(self._commands.history, tp, offset))
        self._seats = seats
        await self.write(
            begun(self._compiled.book, Position(topic=tp.topic, partition=tp.partition, offset=at))
            for tp, at in others.items()
            if tp not in restored  # whose policies were these
        )
        return {tp: seat.next for tp, seat in seats.items()}

    async def revoked(self, partitions: set[TP]) -> None:
        """Lines stay until the next assignment shows which are needed."""

    async def process(self, batch: Batch) -> None:
        """Judge a batch; returns when all that follows from it is written."""
        async with self._turn:
            await self._judge(batch)

    async def _judge(self, batch: Batch) -> None:
        started = perf_counter()
        tp = TP(batch.topic, batch.partition)
        seat = self._seats[tp]
        seat.last = None
        if seat.line.standings.may_be_paused(batch.keys):
            # Actions that a person has allowed come after the command: it must be heard first.
            await self.follow_people(COMMANDS)
        for start, end in seat.stretches(batch):
            records = records_of(batch, start, end)
            if start < batch.replayed:
                seat.line.replay(records)
            else:
                taken = self._news(seat.line.take(records))
                await self._carry_out(taken, records)
                for leak in taken.effects.leaks:
                    self._pauses.loop.leak(leak)
                self._exporter.took(taken, seat.line)
        seat.arrive(batch.last + 1)
        seat.last = Mark.of(batch.last, batch.timestamps[-1], batch.values[-1])
        self._snapshots.offer(tp, seat.line, seat.last)
        seconds, scoped = perf_counter() - started, seat.line.scoped
        self._exporter.finished(batch.partition, len(batch), seconds, scoped=scoped)

    async def close(self) -> None:
        """Write down what the lines hold, except one that is at work."""
        seats = self._seats.items()
        await self._snapshots.close({tp: (s.line, s.last) for tp, s in seats if s.last})

    async def follow_people(self, *topics: str) -> None:
        """Read what people have commanded and guards have answered since the last time, or only
        what stands in these topics.

        Its work grows with what is new, not with what stands: of the commands it is done before
        every batch that has an event of a paused workflow.
        """
        for command in await self._commands.refresh(*topics):
            if command.issued_by != "monitor":
                for seat in self._seats.values():
                    seat.hear(command)
        self._exporter.set("andon_commands_refused", self._commands.refused)
        for holds in self._commands.overwritten():
            # Compaction keeps the newest record: it must be the one that holds.
            await (await self._queue(COMMANDS, holds))

    async def look_after_pauses(self, now: datetime) -> None:
        """See whether pauses hold, by what the log says of commands, guards and leaks, and deal
        out what may run on trial.
        """
        mine = {tp.partition for tp in self._seats if tp.topic == EVENTS}
        facts = self._commands.take_facts()
        self._exporter.acked(fact.record for fact in facts if isinstance(fact.record, Ack))
        await self._pauses.look(facts, now, mine, self._compiled.book)
        for permits in self._pauses.loop.deals(now, mine):
            signed = self._signer.sign(permits) if self._signer else permits
            await (await self._queue(PERMITS, signed))

    def adopt(self, compiled: Compiled) -> None:
        """Judge by other policies from the next `renew()` on."""
        self._compiled = compiled

    async def renew(self) -> None:
        """Bring every line under the policies last adopted, one partition after the other.

        Until its turn comes a partition is judged by those before. After an error call it again.
        """
        while old := [tp for tp, seat in self._seats.items() if self._is_old(seat)]:
            await self._renew(old[0])

    async def _renew(self, tp: TP) -> None:
        old, new = self._seats[tp], self._empty_seat(tp)
        async with self._open_reader() as read:
            behind, before = old.next, math.inf
            # As long as it is far behind and gains ground, events go on meanwhile.
            while CLOSE_RECORDS < behind < before and self._awaits(tp, old, new):
                await self._catch_up(tp, old, new, read)
                behind, before = old.next - new.next, behind
            async with self._turn, asyncio.timeout(HOLD_S):
                await self._catch_up(tp, old, new, read)
                if self._awaits(tp, old, new):
                    await self._write_change(tp, old, new)
                    new.learn(moves_of(self._commands.history, tp, old.next))
                    new.last = old.last
                    self._seats[tp] = new

    def _empty_seat(self, tp: TP) -> Seat:
        return Seat.empty(tp, self._compiled, self._bounds)

    def _is_old(self, seat: Seat) -> bool:
        return seat.line.compiled is not self._compiled

    def _awaits(self, tp: TP, old: Seat, new: Seat) -> bool:
        return self._seats.get(tp) is old and not self._is_old(new)

    async def _catch_up(self, tp: TP, old: Seat, new: Seat, read: Read) -> None:
        """Bring `new` to where `old` stands now, as after a restart."""
        end = old.next
        await self.follow_people()
        new.learn(moves_of(self._commands.history, tp, end))
        async for batch in read(tp, new.next, end):
            if not self._awaits(tp, old, new):
                return
            new.replay(batch)
            await asyncio.sleep(0)  # the events of now take their turn
        new.arrive(end)

    async def _write_change(self, tp: TP, old: Seat, new: Seat) -> None:
        at = Position(topic=tp.topic, partition=tp.partition, offset=old.next)
        crossed = new.line.crossed()
        change = begun(new.line.compiled.book, at, old.line.compiled.book, crossed)
        await self.write([change])
        if crossed and change.reason:
            log.warning("%s", change.reason.text)

    async def write(self, audits: Iterable[Audit], alerts: Iterable[Alert] = ()) -> None:
        """Write down what does not follow from events; returns when the broker has it."""
        for topic, items in ((AUDIT, audits), (ALERTS, alerts)):
            for item in items:
                await (await self._queue(topic, item))

    @property
    def holding(self) -> list[Command]:
        """The command of each workflow that holds."""
        return list(self._commands.commands.values())

    @property
    def partitions(self) -> list[TP]:
        """What this worker has."""
        return list(self._seats)

    def show(self, ends: Mapping[TP, int], now: datetime) -> None:
        """Set the gauges.

        Args:
            ends: the log end of each partition, as far as known.
            now: the time, of the wall.
        """
        lines = [seat.line for seat in self._seats.values()]
        lag, scope_lag = (
            {
                tp.partition: max(0, ends.get(tp, 0) - seat.next)
                for tp, seat in self._seats.items()
                if tp.topic == topic
            }
            for topic in (EVENTS, SCOPES)
        )
        self._exporter.show(lines, lag, self._pauses.loop.guards(now), scope_lag)

    def _news(self, taken: Taken) -> Taken:
        """Without the commands that a worker before us has written."""
        effects = taken.effects
        log = self._commands.history
        new = [item for item in effects.commands if not _holds(log.get(item.workflow, []), item)]
        if self._signer:
            new = list(map(self._signer.sign, new))
        return taken._replace(effects=effects._replace(commands=new))

    async def _carry_out(self, taken: Taken, records: Records) -> None:
        # Guards wait for a command, and an alert says that it stands. Of the rest all is queued
        # before the first is waited for.
        effects = taken.effects
        await asyncio.gather(*[await self._queue(COMMANDS, each) for each in effects.commands])
        sent = [await self._queue(ALERTS, each) for each in effects.alerts]
        sent += [await self._queue(AUDIT, each) for each in effects.audits]
        sent += [await self._bury(rejected, records) for rejected in effects.rejected]
        sent += [
            await self._send(SCOPES, forward.scope.encode(), forward.value, None)
            for forward in taken.forwards
        ]
        await asyncio.gather(*sent)

    def _queue(
        self, topic: str, item: Command | Alert | Audit | Permits
    ) -> Awaitable[Awaitable[Any]]:
        return self._send(topic, item.workflow.encode(), item.to_json(), None)

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


def _holds(history: list[Command], command: Command) -> bool:
    return any(command.command_id == known.command_id for known in history)
