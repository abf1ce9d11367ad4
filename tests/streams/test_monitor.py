"""The monitor over a real log of commands, without processes: it dies and comes back at will."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from andon.breaker import State
from andon.topics import ALERTS, AUDIT, COMMANDS
from streams import control
from streams.broker import EmbeddedBroker
from streams.commands_log import open_log
from streams.reopening import SecondPersonError, answer
from streams.settings import Settings
from streams.topics import apply
from tests.eventlog import book, line
from tests.streams.lives import NEVER, Bench, DiedError, now_line
from tests.wild import MODELS, RECOVER, RULES, a_wild_log, once

Unique = Callable[[str], str]

BOOK = book(*RULES, recover=RECOVER)


@pytest.mark.parametrize("snapshots", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_wherever_a_worker_dies_the_next_one_decides_the_same(
    broker: str, unique: Unique, seed: int, snapshots: bool
) -> None:
    chance = random.Random(seed)
    bench = Bench(broker, unique("events"), BOOK)
    bench.snapshot_every_s = 0 if snapshots else 1e9
    bench.log = a_wild_log(chance, [unique(name) for name in "abc"], 900)

    started_at: list[int] = []

    async def run() -> None:
        while bench.committed < len(bench.log):
            async with bench.monitor() as life:
                started_at.append(life.next)
                start = max(life.next, bench.committed)
                dies_at = min(len(bench.log), start + chance.randrange(5, 300))
                bench.writes_left = chance.choice([NEVER, chance.randrange(30)])
                with contextlib.suppress(DiedError):
                    await life.read(dies_at, lambda: chance.randrange(1, 90))
                # What it has done last may not have been committed.
                committed = life.next - chance.choice([0, 0, 40, 200])
                bench.committed = max(bench.committed, committed)

    asyncio.run(run())
    assert (max(started_at) > 0) is snapshots
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
    bench = Bench(broker, unique("events"), BOOK)
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
    follows = [topic for topic, key, _ in bench.written if key == workflow]
    assert follows == [COMMANDS, ALERTS, AUDIT, AUDIT]
    trips = bench.exporter.registry.get_sample_value(
        "andon_trips_total", {"workflow": workflow, "policy": "only", "rule": "rule-0"}
    )
    assert not trips, "counted by the worker before"


@pytest.mark.parametrize("dies", [False, True])
def test_after_a_reset_only_later_events_count(broker: str, unique: Unique, dies: bool) -> None:
    bench = Bench(broker, unique("events"), BOOK)
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


@pytest.mark.parametrize("dies", [False, True])
def test_a_relapse_after_a_reset_takes_two_people(broker: str, unique: Unique, dies: bool) -> None:
    bench = Bench(broker, unique("events"), BOOK)
    workflow = unique("refunds")
    bench.log = [now_line(f"before {n}", workflow, -30 + n) for n in range(2)]

    async def run() -> None:
        async with bench.monitor() as life:
            await life.read(2)
            await control.reset(broker, workflow, "it is fine", "ana")
            bench.log += [now_line(f"after {n}", workflow, 1 + n) for n in range(2)]
            if not dies:
                await life.read(4)
        bench.committed = 2 if dies else 4
        async with bench.monitor() as life:
            await life.read(4)
            assert life.state(workflow) == (State.OPEN, 3)
            with pytest.raises(SecondPersonError, match=r"ana let it go at .* within 1h") as told:
                await control.reset(broker, workflow, "it is fine", "ana")
            await answer(broker, told.value.request.order.request_id, "approve", "it is", "bob")
            await life.monitor.follow_people()
            assert life.state(workflow) == (State.HALF_OPEN, 4)

    asyncio.run(run())


def test_actions_that_a_reset_allowed_count_for_its_trial(broker: str, unique: Unique) -> None:
    bench = Bench(broker, unique("events"), BOOK)
    workflow = unique("refunds")
    bench.log = [now_line(f"before {n}", workflow, -30 + n) for n in range(2)]

    async def run() -> None:
        async with bench.monitor() as life:
            await life.read(2)
            await control.reset(broker, workflow, "it is fine", "ana")
            bench.log += [now_line(f"good {n}", workflow, 1 + n, value=1) for n in range(4)]
            await life.read(6)  # nobody had told it to look for commands meanwhile
            assert life.state(workflow) == (State.HALF_OPEN, 3)  # at a limited rate
            bench.log.append(now_line("later", workflow, 100, value=1))
            await life.read(7)
            assert life.state(workflow) == (State.CLOSED, 4)

    asyncio.run(run())
    assert [a.kind for _, a in once(bench.written, AUDIT)[workflow]].count("leak") == 0


def test_a_person_who_was_first_holds(own_broker: EmbeddedBroker, unique: Unique) -> None:
    """A trip by hand and one by a rule, at the same time: the log has the one by hand first.

    Were the workflow paused already the monitor would hear the person in time.
    """
    broker = own_broker.bootstrap_servers
    apply(broker, Settings(bootstrap_servers=broker))
    bench = Bench(broker, unique("events"), BOOK)
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


def test_only_events_of_a_paused_workflow_wait_until_people_were_heard(
    broker: str, unique: Unique
) -> None:
    bench = Bench(broker, unique("events"), BOOK)
    paused, other = unique("refunds"), unique("refunds")
    events = [now_line(str(n), paused, -30 + n) for n in range(2)]
    bench.log = [*events, now_line("other", other, 1, value=1), now_line("its", paused, 2, value=1)]

    async def run() -> None:
        async with bench.monitor() as life:
            await life.read(2)
            assert life.state(paused) == (State.OPEN, 1)
            await control.reset(broker, paused, "it is fine", "ana")
            for at, name, state in ((2, other, State.OPEN), (3, paused, State.HALF_OPEN)):
                record = bench.records()[at]
                record.key = name.encode()
                await life.monitor.process(life.batch([record]))
                assert life.state(paused)[0] is state

    asyncio.run(run())


def test_commands_alone_are_read_on_between_passes_of_all(broker: str, unique: Unique) -> None:
    workflow = unique("refunds")

    async def run() -> None:
        async with open_log(broker, COMMANDS, ALERTS) as log:
            for turn in range(1, 4):  # a pass of all topics lies between
                await control.trip(broker, workflow, "stop", "ana")
                await log.refresh(*[COMMANDS] * (turn % 2))
                assert log.commands[workflow].generation == 2 * turn - 1
                await control.reset(broker, workflow, "it is fine", "ana", permits=None)
                await log.refresh(COMMANDS)
                assert log.commands[workflow].generation == 2 * turn

    asyncio.run(run())
