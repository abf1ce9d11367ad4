"""Policies change while events flow: a partition is judged by the new ones from an offset on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from andon.breaker import State
from andon.commands import Audit
from andon.errors import BrokerError
from andon.policy import PolicyBook
from andon.topics import AUDIT, COMMANDS
from detectors.line import Line
from detectors.plan import compile_book
from streams import control
from streams import monitor as monitor_module
from streams.seat import BY_TIME, records_of
from tests.eventlog import book
from tests.streams.lives import Bench, Life, now_line
from tests.wild import MODELS, RECOVER, RULES, Written, a_wild_log, effects_written, once

Unique = Callable[[str], str]

OLD = book(*RULES, recover=RECOVER)
NEW = book(
    RULES[0] | {"at_least": 70, "over": "20m"},
    RULES[1] | {"above": "30%"},
    {"name": "many", "rate": "volume", "over": "3m", "above": 12},
    recover=RECOVER | {"after": "3m"},
)
NEWER = book(RULES[0] | {"at_least": 60}, recover=RECOVER)


def changes(written: Written) -> list[Audit]:
    """The audit lines about policies, without that of the beginning."""
    audits = [Audit.model_validate_json(value) for _, key, value in written if key == "*"]
    assert {audit.kind for audit in audits} == {"policy-changed"}
    first, *others = audits
    assert first.source is not None
    assert (first.previous_policies, first.policies) == (None, OLD.fingerprint)
    assert first.source.offset == 0
    return others


def judged_in_turn(life: Life, books: list[tuple[int, PolicyBook]]) -> Written:
    """What lines write of which each begins to judge at an offset, by hand: one record a time."""
    records, written = life.bench.records(), Written()
    commands: dict[int, list[Any]] = {}
    ends = [start for start, _ in books[1:]] + [len(records)]
    for (start, policies), end in zip(books, ends, strict=True):
        line = Line(compile_book(policies))
        for offset in range(start):
            caused = commands.get(offset, [])
            for command in [one for one in caused if one.cause in BY_TIME]:
                line.obey(command)
            line.replay(records_of(life.batch(records), offset, offset + 1))
            for command in [one for one in caused if one.cause not in BY_TIME]:
                line.obey(command)
        effects = line.take(records_of(life.batch(records), start, end)).effects
        for command in effects.commands:
            commands.setdefault(command.source.offset, []).append(command)
        written += effects_written(effects)
    return written


@pytest.mark.parametrize("seed", range(4))
def test_a_change_takes_effect_between_two_records(
    broker: str, unique: Unique, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor_module, "CLOSE_RECORDS", 20)
    chance = random.Random(seed)
    bench = Bench(broker, unique("events"), OLD)
    bench.log = a_wild_log(chance, [unique(name) for name in "abc"], 900)

    async def run() -> Written:
        async with bench.monitor() as life:
            await life.read(chance.randrange(200, 500), lambda: chance.randrange(1, 60))
            life.monitor.adopt(compile_book(NEW))
            renewing = asyncio.create_task(life.monitor.renew())
            while not renewing.done():  # events flow meanwhile
                await life.read(min(life.next + 3, 800))
                await asyncio.sleep(0)
            await renewing
            await life.read(900, lambda: chance.randrange(1, 60))
            (change,) = changes(bench.written)
            assert change.source is not None
            assert (change.previous_policies, change.policies) == (
                OLD.fingerprint,
                NEW.fingerprint,
            )
            return judged_in_turn(life, [(0, OLD), (change.source.offset, NEW)])

    expected = asyncio.run(run())
    versions = {
        c.reason.policy_version for life in once(expected, COMMANDS).values() for _, c in life
    }
    assert {OLD.policies[0].version, NEW.policies[0].version} <= versions
    for topic in MODELS:
        assert once(bench.written, topic) == once(expected, topic)


def test_windows_and_breakers_remember_and_what_was_crossed_is_not_told(
    broker: str, unique: Unique
) -> None:
    """One workflow was paused and reset, one paused by hand; one only the new would have paused."""
    bench = Bench(broker, unique("events"), OLD)
    paused, crossed, calm = (unique(name) for name in ("paused", "crossed", "calm"))
    bench.log = [now_line(f"p{n}", paused, -30 + n) for n in range(2)]
    bench.log += [now_line("c0", crossed, -20, value=80), now_line("q0", calm, -20, value=50)]

    async def run() -> None:
        async with bench.monitor() as life:
            await life.read(4)
            await control.reset(broker, paused, "it is fine", "ana")
            await control.trip(broker, calm, "on a hunch", "ana")
            await life.monitor.follow_people()
            life.monitor.adopt(compile_book(NEWER))
            await life.monitor.renew()
            (change,) = changes(bench.written)
            assert change.reason is not None
            assert change.reason.text.endswith(
                f"is told when it is crossed again: {crossed} (money)"
            )
            assert life.state(paused) == (State.HALF_OPEN, 2)
            assert life.state(crossed) == (State.CLOSED, 0)
            assert life.state(calm) == (State.FORCED_OPEN, 1)
            before = len(bench.written)
            bench.log.append(now_line("c1", crossed, 1, value=1))
            bench.log.append(now_line("p2", paused, 2, value=59))
            await life.read(6)
            assert len(bench.written) == before, "nothing rose"
            bench.log.append(now_line("p3", paused, 3, value=1))
            await life.read(7)
            assert life.state(paused) == (State.OPEN, 3)

    asyncio.run(run())
    command = once(bench.written, COMMANDS)[paused][-1][1]
    assert (command.reason.observed, command.reason.bound) == (60, 60)
    assert command.reason.policy_version == NEWER.policies[0].version


def test_of_two_quick_changes_the_last_holds(broker: str, unique: Unique) -> None:
    bench = Bench(broker, unique("events"), OLD)
    bench.log = a_wild_log(random.Random(1), [unique("a")], 300)

    async def run() -> None:
        async with bench.monitor() as life:
            await life.read(300)
            life.monitor.adopt(compile_book(NEW))
            renewing = asyncio.create_task(life.monitor.renew())
            await bench.reading.wait()
            life.monitor.adopt(compile_book(NEWER))
            await renewing

    asyncio.run(run())
    (change,) = changes(bench.written)
    assert (change.previous_policies, change.policies) == (OLD.fingerprint, NEWER.fingerprint)


def test_the_old_policies_hold_until_the_log_can_be_read(broker: str, unique: Unique) -> None:
    bench = Bench(broker, unique("events"), OLD)
    workflow = unique("refunds")
    bench.log = [now_line("0", workflow, -30), now_line("1", workflow, -29, value=20)]

    async def run() -> None:
        async with bench.monitor() as life:
            await life.read(2)
            life.monitor.adopt(compile_book(NEWER))
            bench.readable = False
            with pytest.raises(BrokerError):
                await life.monitor.renew()
            bench.log.append(now_line("2", workflow, 1, value=19))
            await life.read(3)
            assert life.state(workflow) == (State.CLOSED, 0)
            bench.log.append(now_line("3", workflow, 2, value=1))
            await life.read(4)
            assert life.state(workflow) == (State.OPEN, 1)
            bench.readable = True
            await life.monitor.renew()
            assert len(changes(bench.written)) == 1

    asyncio.run(run())


def test_a_pause_that_only_the_policies_before_a_crash_wanted_is_kept(
    broker: str, unique: Unique
) -> None:
    """It was commanded, so guards obey it, but its events were not committed."""
    bench = Bench(broker, unique("events"), NEWER)
    workflow = unique("refunds")
    bench.log = [now_line("0", workflow, -30), now_line("1", workflow, -29, value=30)]

    async def run() -> None:
        async with bench.monitor() as life:
            await life.read(2)
            assert life.state(workflow) == (State.OPEN, 1)
        bench.compiled = compile_book(OLD)
        async with bench.monitor() as life:
            await life.read(2)
            assert life.state(workflow) == (State.OPEN, 1)
            bench.log.append(now_line("2", workflow, 1, value=1))
            await life.read(3)

    asyncio.run(run())
    assert len(once(bench.written, COMMANDS)[workflow]) == 1
    kinds = [audit.kind for _, audit in once(bench.written, AUDIT)[workflow]]
    assert kinds == ["detection", "transition", "leak"]
