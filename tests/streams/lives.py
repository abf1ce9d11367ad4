"""One partition's log, and monitors on it that die and come back, over a real log of commands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from aiokafka import AIOKafkaProducer
from faust.types import TP

from andon.breaker import State
from andon.errors import BrokerError
from andon.policy import PolicyBook
from andon.topics import ACKS, COMMANDS
from detectors.plan import compile_book
from streams.batch import Batch
from streams.commands_log import open_log
from streams.exporter import Exporter
from streams.log_reader import Read
from streams.monitor import Monitor
from streams.snapshots import Mark, Snapshots
from tests.eventlog import START, line
from tests.wild import Written, uninterrupted

NEVER = 1 << 30


class DiedError(Exception):
    """The worker, between two writes."""


class Bench:
    """One partition's log, and monitors on it, one after the other."""

    def __init__(self, address: str, topic: str, book: PolicyBook) -> None:
        self.address, self.topic, self.compiled = address, topic, compile_book(book)
        self.folder, self.snapshot_every_s = TemporaryDirectory(), 1e9
        self.log: list[bytes] = []
        self.committed = 0
        self.written: Written = []
        self.writes_left = NEVER
        self.readable = True
        self.reading = asyncio.Event()
        self.exporter = Exporter()

    def records(self) -> list[Any]:
        return [
            SimpleNamespace(offset=n, key=None, value=value, timestamp=4_000_000_000_000)
            for n, value in enumerate(self.log)
        ]

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Read]:
        """Reads the log as a consumer beside the group would."""

        if not self.readable:
            raise BrokerError("the broker went away")

        async def read(tp: TP, start: int, end: int) -> AsyncIterator[Batch]:
            self.reading.set()
            records = self.records()[start:end]
            for first in range(0, len(records), 50):
                yield Batch.of(tp.topic, tp.partition, end, records[first : first + 50])

        yield read

    async def look_up(self, offsets: Mapping[TP, int]) -> dict[TP, Mark]:
        found = {}
        for tp, offset in offsets.items():
            record = self.records()[offset]
            found[tp] = Mark.of(offset, record.timestamp, record.value)
        return found

    @asynccontextmanager
    async def monitor(self) -> AsyncIterator[Life]:
        """A worker that takes the partition over and dies at the end of the block."""
        self.exporter, self.writes_left = Exporter(), NEVER
        async with AsyncExitStack() as stack:
            producer = AIOKafkaProducer(bootstrap_servers=self.address)
            await producer.start()
            stack.push_async_callback(producer.stop)

            async def send(topic: str, key: bytes | None, value: bytes | None, _: Any) -> Any:
                if self.writes_left == 0:
                    raise DiedError
                self.writes_left -= 1
                self.written.append((topic, (key or b"").decode(), value or b""))
                return await producer.send(topic, value, key)

            monitor = Monitor(
                self.compiled,
                lambda: stack.enter_async_context(open_log(self.address, COMMANDS, ACKS)),
                self.reader,
                send,
                self.exporter,
                Snapshots(Path(self.folder.name), self.look_up, self.snapshot_every_s),
            )
            life = Life(self, monitor)
            life.next = (await monitor.assigned({life.tp: self.committed}))[life.tp]
            yield life

    def uninterrupted(self) -> Written:
        """What one line that reads the whole log writes."""
        return uninterrupted(self.compiled.book, self.topic, 0, self.records())


class Life:
    """A monitor from taking the partition over to its death."""

    def __init__(self, bench: Bench, monitor: Monitor) -> None:
        self.bench, self.monitor = bench, monitor
        self.tp = TP(bench.topic, 0)
        self.committed_at_start = bench.committed
        self.next = 0

    async def read(self, until: int, at_once: Callable[[], int] = lambda: 7) -> None:
        """Process the log up to an offset, without committing."""
        records = self.bench.records()
        while self.next < until:
            some = records[self.next : min(until, self.next + at_once())]
            await self.monitor.process(self.batch(some))
            self.next += len(some)

    def batch(self, records: list[Any]) -> Batch:
        return Batch.of(self.tp.topic, self.tp.partition, self.committed_at_start, records)

    def state(self, workflow: str) -> tuple[State, int]:
        return tuple(self.monitor._seats[self.tp].line.standings.of(workflow))  # type: ignore[return-value]


def now_line(event_id: str, workflow: str, after_s: float, **fields: Any) -> bytes:
    """An event of today: people's commands are."""
    at = (datetime.now(UTC) - START) / timedelta(seconds=1)
    money = {"value": 60, "currency": "USD", "target": event_id}
    return line(event_id, at + after_s, workflow=workflow, **money | fields)
