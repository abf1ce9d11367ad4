"""To let a workflow go again so soon takes two people."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from andon.alert_text import alert_text
from andon.approvals import Ask, Claim, parse_approval
from andon.approvals_log import Standing
from andon.breaker import Cause, State
from andon.cli.commands import app
from andon.commands import Audit, Command, Reopened
from andon.errors import SignatureError
from andon.signing import NO_KEYS, Keys, Signer, write_new_key
from andon.topics import APPROVALS, AUDIT, COMMANDS
from streams import approvals, expiry, orders
from streams.approvals import ApprovalError, open_requests
from streams.commands_log import open_log
from streams.control import reset, set_mode, trip
from streams.orders import Order
from streams.questions import question
from streams.reopening import SecondPersonError, answer
from tests.andon.streaming import records
from tests.streams.test_control import command_of, write

Unique = Callable[[str], str]
HOUR = timedelta(hours=1)


def paused(workflow: str, generation: int = 7, **changes: object) -> Command:
    """By the monitor, where ana let it go ten minutes ago."""
    at = (datetime.now(UTC) - timedelta(minutes=10)).isoformat()
    told = {"at": at, "by": ["user:ana"], "generation": generation - 1}
    fields = {"state": "OPEN", "second_person_s": 3600, "reopened": told}
    return command_of(workflow, generation=generation, **(fields | changes))


async def asked(broker: str, workflow: str, user: str = "ana", keys: Keys = NO_KEYS) -> str:
    """The id of the request that a reset by `user` has written."""
    with pytest.raises(SecondPersonError) as told:
        await reset(broker, workflow, "fixed at last", user, 3, keys=keys)
    return told.value.request.order.request_id


def stands(broker: str, workflow: str) -> Command:
    return Command.model_validate_json(records(broker, COMMANDS, workflow)[-1])


def asks(broker: str, workflow: str) -> list[Ask]:
    told = [parse_approval(value) for value in records(broker, APPROVALS, workflow)]
    return [each for each in told if isinstance(each, Ask)]


def run(broker: str, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--bootstrap-servers", broker])


def test_the_second_time_is_carried_out_by_the_approval_of_another(
    broker: str, unique: Unique
) -> None:
    """From the first pause on: what decides is told by the commands themselves."""
    workflow = unique("refunds")

    async def flow() -> None:
        first = command_of(workflow, generation=1, state="OPEN", second_person_s=3600)
        first = first.model_copy(update={"reopened": None})
        await write(broker, COMMANDS, first)
        alone = await reset(broker, workflow, "fixed", "ana")
        by_ana = Reopened(at=alone.issued_at, by=["user:ana"], generation=2)
        assert (alone.reopened, alone.second_person_s) == (by_ana, 3600)
        again = await trip(broker, workflow, "not fixed", "bob")
        assert (again.reopened, again.second_person_s) == (by_ana, 3600), "a trip carries it on"

        request_id = await asked(broker, workflow)
        assert stands(broker, workflow) == again, "nothing is done yet"
        with pytest.raises(ApprovalError, match="ana asked for it, and another person has to"):
            await answer(broker, request_id, "approve", "sure", "ana")
        assert stands(broker, workflow) == again

        request = await answer(broker, request_id, "approve", "seen it", "bob")
        assert request.standing(request.asked_ms) is Standing.USED
        command = stands(broker, workflow)
        assert (command.generation, command.state, command.permits) == (4, State.HALF_OPEN, 3)
        assert (command.issued_by, command.cause) == ("user:ana", Cause.RESET)
        assert command.reason.text == "fixed at last (approved by bob)"
        both = Reopened(at=command.issued_at, by=["user:ana", "user:bob"], generation=4)
        assert command.reopened == both

        async with open_requests(broker) as requests:
            assert requests.log.requests[request_id].standing(request.asked_ms) is Standing.USED
        with pytest.raises(ApprovalError, match="used"):
            await answer(broker, request_id, "approve", "again", "eve")

    asyncio.run(flow())
    audits = [Audit.model_validate_json(value) for value in records(broker, AUDIT, workflow)]
    told = [(each.kind, each.actor) for each in audits]
    assert told[-2:] == [("approval", "user:bob"), ("transition", "user:ana")]


def test_asked_again_it_is_the_same_request_and_it_shows_what_will_be_done(
    broker: str, unique: Unique
) -> None:
    workflow = unique("refunds")

    async def flow() -> set[str]:
        await write(broker, COMMANDS, paused(workflow))
        return {await asked(broker, workflow), await asked(broker, workflow)}

    (request_id,) = asyncio.run(flow())
    (ask,) = asks(broker, workflow)
    told = question(ask, int(time.time() * 1000))
    assert told
    assert (told.state, told.generation) == (State.OPEN, 7)
    assert "Paused: it is not let go until another person approves" in alert_text(told)
    assert (ask.request_id, ask.issued_by, ask.people) == (request_id, "user:ana", 1)
    assert (ask.reopens, ask.expires_s) == (7, 900)
    shown = json.loads(ask.arguments)
    assert (shown["cause"], shown["permits"], shown["reason"]) == ("reset", 3, "fixed at last")


@pytest.mark.parametrize("way", ["reset --now", "mode enforce"])
def test_every_way_to_let_go_takes_two(broker: str, unique: Unique, way: str) -> None:
    workflow = unique("refunds")

    async def flow() -> None:
        await write(broker, COMMANDS, paused(workflow))
        order = (
            reset(broker, workflow, "fixed", "ana", None)
            if way == "reset --now"
            else set_mode(broker, workflow, "enforce", "fixed", "ana")
        )
        with pytest.raises(SecondPersonError):
            await order

    asyncio.run(flow())
    (ask,) = asks(broker, workflow)
    assert json.loads(ask.arguments)["cause"] == "release"
    assert stands(broker, workflow).state is State.OPEN


def test_a_breaker_that_has_moved_supersedes_the_request(broker: str, unique: Unique) -> None:
    workflow = unique("refunds")

    async def flow() -> None:
        await write(broker, COMMANDS, paused(workflow))
        request_id = await asked(broker, workflow)
        moved = await trip(broker, workflow, "still wrong", "eve")
        with pytest.raises(ApprovalError, match=r"superseded: .* is at generation 8"):
            await answer(broker, request_id, "approve", "seen it", "bob")
        assert stands(broker, workflow) == moved
        async with open_requests(broker) as requests:
            assert not requests.log.requests[request_id].approvals, "nothing is written of it"
        assert await asked(broker, workflow) != request_id

    asyncio.run(flow())


def test_it_expires_and_may_be_denied(
    broker: str, unique: Unique, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = unique("refunds")

    async def flow() -> None:
        await write(broker, COMMANDS, paused(workflow))
        denied = await asked(broker, workflow)
        await answer(broker, denied, "deny", "no", "bob")
        with pytest.raises(ApprovalError, match="denied"):
            await answer(broker, denied, "approve", "yes", "eve")
        monkeypatch.setattr("streams.reopening.EXPIRES_S", 1)
        short = await asked(broker, workflow)
        assert short != denied
        await asyncio.sleep(1.1)
        with pytest.raises(ApprovalError, match="too late, it is expired"):
            await answer(broker, short, "approve", "yes", "bob")
        assert await asked(broker, workflow) != short
        assert stands(broker, workflow).generation == 7

    asyncio.run(flow())


@pytest.mark.parametrize("who", ["the one who asked", "the one who approved"])
def test_an_approval_that_was_not_carried_out_is_when_either_tries_again(
    broker: str, unique: Unique, who: str
) -> None:
    workflow = unique("refunds")

    async def flow() -> None:
        await write(broker, COMMANDS, paused(workflow))
        request_id = await asked(broker, workflow)
        await approvals.answer(broker, request_id, "approve", "seen it", "bob")  # and dies
        assert stands(broker, workflow).generation == 7
        if who == "the one who asked":
            await reset(broker, workflow, "fixed at last", "ana", 3)
        else:
            await answer(broker, request_id, "approve", "seen it", "bob")

    asyncio.run(flow())
    command = stands(broker, workflow)
    assert (command.generation, command.state) == (8, State.HALF_OPEN)
    assert isinstance(parse_approval(records(broker, APPROVALS, workflow)[-1]), Claim)


@pytest.mark.parametrize(
    "forged",
    [
        {"arguments": "{}"},
        {"reopens": 6},
        {"digest": "0" * 64},
        {"workflow": "other"},
        {"issued_by": "automation:refund-bot"},
    ],
    ids=str,
)
def test_what_is_shown_is_what_is_done_or_nothing(
    broker: str, unique: Unique, forged: dict[str, object]
) -> None:
    workflow, request_id = unique("refunds"), unique("request")

    async def flow() -> None:
        await write(broker, COMMANDS, paused(workflow))
        await asked(broker, workflow)
        (ask,) = asks(broker, workflow)
        false = ask.model_copy(update={"request_id": request_id} | forged)
        await approvals.write(broker, [(APPROVALS, false)])
        with pytest.raises(ApprovalError, match="its arguments are"):
            await answer(broker, request_id, "approve", "seen it", "bob")

    asyncio.run(flow())
    assert stands(broker, workflow).generation == 7


def test_with_keys_a_person_s_question_has_to_be_signed(
    broker: str, unique: Unique, tmp_path: Path
) -> None:
    workflow, signer = unique("refunds"), write_new_key(tmp_path / "key.pem")
    keys = Keys.of(tmp_path / "key.pem", "")
    assert isinstance(signer, Signer)
    assert keys.verifier

    async def flow() -> None:
        await write(broker, COMMANDS, keys.sign(paused(workflow)))
        request_id = await asked(broker, workflow, keys=keys)
        unsigned = asks(broker, workflow)[0].model_copy(update={"signature": None})
        with pytest.raises(SignatureError, match="ask of user:ana: it is not signed"):
            parse_approval(unsigned.to_json(), keys.verifier)
        guard_s = unsigned.model_copy(update={"reopens": None})
        assert parse_approval(guard_s.to_json(), keys.verifier) == guard_s
        await answer(broker, request_id, "approve", "seen it", "bob", keys)

    asyncio.run(flow())
    command = records(broker, COMMANDS, workflow)[-1]
    assert keys.verifier.problem(command) is None
    assert stands(broker, workflow).generation == 8


def test_of_two_approvals_one_is_carried_out(broker: str, unique: Unique) -> None:
    workflow = unique("refunds")

    async def flow() -> list[object]:
        await write(broker, COMMANDS, paused(workflow))
        request_id = await asked(broker, workflow)
        both = (answer(broker, request_id, "approve", "ok", who) for who in ("bob", "eve"))
        return await asyncio.gather(*both, return_exceptions=True)

    results = asyncio.run(flow())
    assert any(not isinstance(each, BaseException) for each in results)
    assert all(not isinstance(e, BaseException) or isinstance(e, ApprovalError) for e in results)

    async def held() -> Command:
        async with open_log(broker, COMMANDS) as log:
            return log.commands[workflow]

    assert asyncio.run(held()).generation == 8


def test_a_pause_for_a_time_does_not_end_alone_what_takes_two(broker: str, unique: Unique) -> None:
    """Else whoever must not reset it would trip it for a second."""
    workflow = unique("refunds")
    soon = datetime.now(UTC) + timedelta(seconds=60)

    async def flow() -> None:
        await write(broker, COMMANDS, paused(workflow))
        timed = await trip(broker, workflow, "for a minute", "ana", expires_at=soon)
        assert expiry.due([timed], soon) == []
        await expiry.end(broker, [timed], soon, NO_KEYS)
        assert stands(broker, workflow) == timed
        assert expiry.due([timed], datetime.now(UTC) + HOUR) == [timed]

    asyncio.run(flow())


def test_the_command_line_says_who_is_asked_and_carries_out_what_is_approved(
    broker: str, unique: Unique
) -> None:
    workflow = unique("refunds")
    asyncio.run(write(broker, COMMANDS, paused(workflow)))
    words = ("reset", workflow, "--reason", "fixed", "--user", "ana")
    told = run(broker, *words, "--json")
    assert told.exit_code == 3, told.output
    row = json.loads(told.stdout)
    assert (row["standing"], row["reopens"], row["missing"]) == ("pending", 7, 1)
    assert f"andon approvals approve {row['request_id']}" in told.stderr
    assert "ana let it go at" in told.stderr
    assert run(broker, *words).exit_code == 3

    give = ("approvals", "approve", row["request_id"], "--reason", "seen it", "--user")
    same = run(broker, *give, "ana")
    assert (same.exit_code, "another person has to" in same.stderr) == (1, True)
    done = run(broker, *give, "bob")
    assert (done.exit_code, "used" in done.stdout) == (0, True), done.output
    assert stands(broker, workflow).state is State.HALF_OPEN


def test_who_is_not_alone_asks_nobody() -> None:
    order = Order(Cause.RESET, "refunds", "fixed", "ana", 3)
    with pytest.raises(orders.AloneError, match="it takes two people"):
        order.command(paused("refunds"))
    assert order._replace(approved_by="bob").command(paused("refunds")).generation == 8
