"""What was ordered for a time ends in time, once, in the name of who ordered it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from andon.breaker import State
from andon.commands import Command
from andon.policy import Mode
from andon.signing import NO_KEYS
from andon.topics import ALERTS, COMMANDS
from streams.control import reset, set_mode, trip
from streams.expiry import due, end
from tests.andon.guarding import command
from tests.andon.streaming import records

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
Unique = Callable[[str], str]


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=60)


def later() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def stands(broker: str, workflow: str) -> list[Command]:
    return [Command.model_validate_json(value) for value in records(broker, COMMANDS, workflow)]


@pytest.mark.parametrize("state", State)
def test_due_is_what_holds_something_back_for_a_time(state: State) -> None:
    timed = command("refunds", 1, state, expires_at=NOON)
    lasting = command("refunds", 1, state)
    runs = state in (State.CLOSED, State.HALF_OPEN)
    assert due([timed, lasting], NOON) == ([] if runs else [timed])
    assert due([timed, lasting], NOON - timedelta(seconds=1)) == []


def test_a_pause_ends_on_trial_once_whatever_the_number_of_monitors(
    broker: str, unique: Unique
) -> None:
    workflow = unique("refunds")

    async def run() -> None:
        paused = await trip(broker, workflow, "looks odd", "ana", expires_at=soon())
        await end(broker, [paused], datetime.now(UTC), NO_KEYS)
        assert stands(broker, workflow) == [paused]
        ends = (end(broker, [paused], later(), NO_KEYS) for _ in range(3))
        await asyncio.gather(*ends)
        await end(broker, [paused], later(), NO_KEYS)

    asyncio.run(run())
    trial = {each.command_id: each for each in stands(broker, workflow)}
    assert [each.state for each in trial.values()] == [State.FORCED_OPEN, State.HALF_OPEN]
    _, command = trial.values()
    assert (command.issued_by, command.permits, command.expires_at) == ("user:ana", 10, None)
    assert command.reason.text == "its time is over: looks odd"
    assert len(records(broker, ALERTS, workflow)) == 2


def test_who_acts_before_ends_it_earlier(broker: str, unique: Unique) -> None:
    workflow = unique("refunds")

    async def run() -> None:
        paused = await trip(broker, workflow, "looks odd", "ana", expires_at=soon())
        await reset(broker, workflow, "fixed", "bob", None)
        await trip(broker, workflow, "not at all", "bob")
        await end(broker, [paused], later(), NO_KEYS)

    asyncio.run(run())
    assert stands(broker, workflow)[-1].state is State.FORCED_OPEN


@pytest.mark.parametrize("mode", ["shadow", "off"])
def test_what_is_not_enforced_for_a_time_is_again(broker: str, unique: Unique, mode: Mode) -> None:
    workflow = unique("refunds")

    async def run() -> None:
        waived = await set_mode(broker, workflow, mode, "a migration", "ana", expires_at=soon())
        await end(broker, [waived], later(), NO_KEYS)

    asyncio.run(run())
    assert stands(broker, workflow)[-1].state is State.CLOSED


def test_a_scope_runs_freely_after_its_time(broker: str, unique: Unique) -> None:
    scope = f"andon:tenant:{unique('acme')}"

    async def run() -> None:
        paused = await trip(broker, scope, "looks odd", "ana", expires_at=soon())
        await end(broker, [paused], later(), NO_KEYS)

    asyncio.run(run())
    assert stands(broker, scope)[-1].state is State.CLOSED


def test_a_time_that_is_over_is_no_time(broker: str) -> None:
    with pytest.raises(ValueError, match=r"^expires_at: must be ahead"):
        asyncio.run(trip(broker, "refunds", "odd", "ana", expires_at=NOON - timedelta(days=999)))
