"""The monitor over a real log of commands, without processes: it dies and comes back at will."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from faust.types import TP

from andon.breaker import State
from andon.policy import PolicyBook
from andon.topics import ACKS, ALERTS, AUDIT, COMMANDS
from detectors.plan import compile_book
from streams import control
from streams.batch import Batch
from streams.broker import EmbeddedBroker
from streams.commands_log import open_log
from streams.exporter import Exporter
from streams.monitor import Monitor
from streams.settings import Settings
from streams.topics import apply
from tests.eventlog import START, book, line
from tests.wild import MODELS, RECOVER, RULES, Written, a_wild_log, once, uninterrupted

Unique = Callable[[str], str]

BOOK = book(*RULES, recover=RECOVER)


NEVER = 1 << 30


class DiedError(Exception):
    """The worker, between two writes."""


class Bench:
    """One partition's log, and monitors on it, one after the other."""

    def __init__(self, address: str, topic: str, book: PolicyBook = BOOK) -> None:
        self.address, self.topic, self.compiled = address, topic, compile_book(book)
        self.log: list[bytes] = []
        self.committed = 0
        self.written: Written = []
        self.writes_left = NEVER
        self.exporter = Exporter(book)

    def records(self) -> list[Any]:
        return [
            SimpleNamespace(offset=n, key=None, value=value, timestamp=4_000_000_000_000)
            for n, value in enumerate(self.log)
        ]

    @asynccontextmanager
    async def monitor(self) -> AsyncIterator[Life]:
        """A worker that takes the partition over and dies at the end of the block."""
        self.exporter = Exporter(self.compiled.book)
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
                send,
                self.exporter,
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
            await self.monitor.process(self._batch(some))
            self.next += len(some)

    def _batch(self, records: list[Any]) -> Batch:
        return Batch.of(self.tp.topic, self.tp.partition, self.committed_at_start, records)

    def state(self, workflow: str) -> tuple[State, int]:
        return tuple(self.monitor._seats[self.tp].line.standings.of(workflow))  # type: ignore[return-value]


@pytest.mark.parametrize("seed", range(6))
def test_wherever_a_worker_dies_the_next_one_decides_the_same(
    broker: str, unique: Unique, seed: int
) -> None:
    chance = random.Random(seed)
    bench = Bench(broker, unique("events"))
    bench.log = a_wild_log(chance, [unique(name) for name in "abc"], 900)

    async def run() -> None:
        while bench.committed < len(bench.log):
            async with bench.monitor() as life:
                start = max(life.next, bench.committed)
                dies_at = min(len(bench.log), start + chance.randrange(5, 300))
                bench.writes_left = chance.choice([NEVER, chance.randrange(30)])
                with contextlib.suppress(DiedError):
                    await life.read(dies_at, lambda: chance.randrange(1, 90))
                # What it has done last may not have been committed.
                committed = life.next - chance.choice([0, 0, 40, 200])
                bench.committed = max(bench.committed, committed)

    asyncio.run(run())
    expected = bench.uninterrupted()
    moves = once(expected, COMMANDS)
    assert {move.state for life in moves.values() for _, move in life} == {
        State.OPEN,
        State.HALF_OPEN,
        State.CLOSED,
    }
    for topic in MODELS:
        assert once(bench.written, topic) == once(expected, topic)


def test_what_the_log_holds_is_not_written_again(broker: str, unique: Unique) -> None:
    bench = Bench(broker, unique("events"))
    workflow = unique("refunds")
    bench.log = [
        line(str(n), n, workflow=workflow, value=60, currency="USD", target=str(n))
        for n in range(5)
    ]

    async def run() -> None:
        async with bench.monitor() as life:
            bench.writes_left = 1  # the command; it dies before the alert and the audit
            with pytest.raises(DiedError):
                await life.read(5)
        bench.writes_left = NEVER
        command = await control.reset(broker, workflow, "it is fine", "ana")
        assert command.generation == 2
        async with bench.monitor() as life:
            await life.read(5)
            assert life.state(workflow) == (State.HALF_OPEN, 2)
        async with open_log(broker) as log:
            assert log.newest[workflow] == command

    asyncio.run(run())
    assert [topic for topic, *_ in bench.written] == [COMMANDS, ALERTS, AUDIT, AUDIT]
    trips = bench.exporter.registry.get_sample_value(
        "andon_trips_total", {"workflow": workflow, "policy": "only", "rule": "rule-0"}
    )
    assert not trips, "counted by the worker before"


def now_line(event_id: str, workflow: str, after_s: float, **fields: Any) -> bytes:
    """An event of today: people's commands are."""
    at = (datetime.now(UTC) - START) / timedelta(seconds=1)
    money = {"value": 60, "currency": "USD", "target": event_id}
    return line(event_id, at + after_s, workflow=workflow, **money | fields)


@pytest.mark.parametrize("dies", [False, True])
def test_after_a_reset_only_later_events_count(broker: str, unique: Unique, dies: bool) -> None:
    bench = Bench(broker, unique("events"))
    workflow = unique("refunds")
    bench.log = [now_line(f"before {n}", workflow, -30 + n) for n in range(3)]

    async def run() -> None:
        async with AsyncExitStack() as stack:
            life = await stack.enter_async_context(bench.monitor())
            await life.read(3)
            assert life.state(workflow) == (State.OPEN, 1)
            await control.reset(broker, workflow, "it is fine", "ana")
            bench.log.append(now_line("after 1", workflow, 1))
            bench.log.append(now_line("after 2", workflow, 2, value=39))
            bench.log.append(now_line("after 3", workflow, 3, value=1))
            if dies:
                bench.committed = 3
                await stack.aclose()
                life = await stack.enter_async_context(bench.monitor())
            await life.read(5)
            assert life.state(workflow) == (State.HALF_OPEN, 2)
            await life.read(6)
            assert life.state(workflow) == (State.OPEN, 3)

    asyncio.run(run())
    moves = once(bench.written, COMMANDS)[workflow]
    assert [(m.generation, m.reason.event_ids[0], m.reason.observed) for _, m in moves] == [
        (1, "before 1", 120.0),
        (3, "after 3", 100.0),
    ]


def test_actions_that_a_reset_allowed_count_for_its_trial(broker: str, unique: Unique) -> None:
    bench = Bench(broker, unique("events"))
    workflow = unique("refunds")
    bench.log = [now_line(f"before {n}", workflow, -30 + n) for n in range(2)]

    async def run() -> None:
        async with bench.monitor() as life:
            await life.read(2)
            await control.reset(broker, workflow, "it is fine", "ana")
            bench.log += [now_line(f"good {n}", workflow, 1 + n, value=1) for n in range(4)]
            await life.read(6)  # nobody had told it to look for commands meanwhile
            assert life.state(workflow) == (State.CLOSED, 3)

    asyncio.run(run())
    assert [a.kind for _, a in once(bench.written, AUDIT)[workflow]].count("leak") == 0


def test_a_person_who_was_first_holds(own_broker: EmbeddedBroker, unique: Unique) -> None:
    """A trip by hand and one by a rule, at the same time: the log has the one by hand first.

    Where any workflow is paused the monitor would hear the person in time.
    """
    broker = own_broker.bootstrap_servers
    apply(broker, Settings(bootstrap_servers=broker))
    bench = Bench(broker, unique("events"))
    workflow = unique("refunds")
    bench.log = [now_line(str(n), workflow, -30 + n) for n in range(2)]

    async def run() -> None:
        async with bench.monitor() as life:
            by_hand = await control.trip(broker, workflow, "stop", "ana")
            await life.read(2)
            assert life.state(workflow) == (State.OPEN, 1)
            await life.monitor.follow_people()
            assert life.state(workflow) == (State.FORCED_OPEN, 1)
            async with open_log(broker) as log:
                # Compaction keeps the newest record: it has to be this one.
                assert log.newest[workflow] == log.commands[workflow] == by_hand

    asyncio.run(run())
