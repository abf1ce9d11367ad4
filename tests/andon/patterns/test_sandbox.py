"""Rehearsals: what would happen is shown, and promoted where people agree."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from andon import LimitExceeded, Mode, Outcome, ReviewNeeded, Sandboxed
from andon.approvals import Ask
from andon.approvals_log import Standing
from tests.andon.guarding import Bench, bench
from tests.andon.streaming import until

MANY = {"name": "p", "limits": [{"recipients": 3, "then": "sandbox"}]}


class Mail:
    def __init__(self, made: Bench, **options: Any) -> None:
        self.sent: list[str] = []
        self.staged: list[str] = []

        def stage(to: list[str]) -> str:
            self.staged += to
            return f"would reach {len(to)}"

        @made.guard.action("send", "mail.send", recipients="to", **({"sandbox": stage} | options))
        def send(to: list[str]) -> str:
            self.sent += to
            return f"reached {len(to)}"

        self.send = send


def test_beyond_a_limit_it_is_rehearsed_and_promoted_by_people() -> None:
    with bench(policy=MANY) as made:
        mail = Mail(made)
        assert mail.send(["a", "b", "c"]) == "reached 3"
        with pytest.raises(Sandboxed, match="it was rehearsed and did not run") as caught:
            mail.send(["a"] * 4)
        assert (mail.staged, mail.sent) == (["a"] * 4, ["a", "b", "c"])
        assert caught.value.result == "would reach 4"
        live, rehearsed = made.events()
        assert (live.mode, rehearsed.mode) == (Mode.LIVE, Mode.SANDBOX)
        assert (rehearsed.outcome, rehearsed.recipients) == (Outcome.SUCCESS, 4)

        with pytest.raises(ReviewNeeded):
            caught.value.promote()  # nobody has approved it yet, and it is not rehearsed again
        assert len(mail.staged) == 4
        request = until(lambda: made.stream.requests, "the question")[0]
        assert isinstance(request.order, Ask)
        assert request.order.rehearsed == "'would reach 4'"
        made.stream.answer(request, "approve")
        assert caught.value.ticket.wait(5) is Standing.APPROVED
        assert caught.value.promote() == "reached 4"
        assert len(mail.sent) == 7
        assert [event.mode for event in made.events()][-1] == Mode.LIVE
        assert made.counted("checks") == {"passed": 1, "sandbox": 2, "approved": 1}


def test_without_a_sandbox_it_is_denied() -> None:
    with bench(policy=MANY) as made:
        mail = Mail(made, sandbox=None)
        with pytest.raises(LimitExceeded, match="sandbox: it has none to be rehearsed in"):
            mail.send(["a"] * 4)
        with (
            pytest.raises(LimitExceeded, match="has none"),
            made.guard.attempt("send", "mail.send", recipients=4),
        ):
            pass
        assert mail.sent == []


def test_a_rehearsal_that_fails_asks_nobody() -> None:
    with bench(policy=MANY) as made:

        def stage(to: list[str]) -> None:
            raise ConnectionError("no staging server")

        mail = Mail(made, sandbox=stage)
        with pytest.raises(ConnectionError):
            mail.send(["a"] * 4)
        assert (made.event().mode, made.event().outcome) == (Mode.SANDBOX, Outcome.ERROR)
        assert made.stream.requests == []


def test_rehearse_shows_what_guardrails_say_and_promotes_through_them() -> None:
    policy = {"name": "p", "limits": [{"recipients": 3}]}
    with bench(policy=policy) as made:
        mail = Mail(made)
        small = made.guard.rehearse(mail.send, ["a"])
        assert (small.result, small.objections) == ("would reach 1", ())
        assert made.event().event_id == small.event_id
        assert (made.event().mode, mail.sent) == (Mode.SANDBOX, [])
        assert small.promote() == "reached 1"
        large = made.guard.rehearse(mail.send, to=["a"] * 4)
        assert large.objections == (
            "recipients: 4 recipients in one action, 3 recipients is the most",
        )
        with pytest.raises(LimitExceeded):
            large.promote()
        assert mail.sent == ["a"]


def test_rehearsals_are_charged_to_no_window() -> None:
    policy = {"name": "p", "limits": [{"recipients": 3, "over": "1h"}]}
    with bench(policy=policy, ledger=":memory:") as made:
        mail = Mail(made)
        for _ in range(5):
            made.guard.rehearse(mail.send, ["a", "b"])
        assert mail.send(["a", "b", "c"]) == "reached 3"


def test_guard_in_mode_sandbox_rehearses_everything_that_has_one() -> None:
    with bench(mode="sandbox", policy=MANY) as made:
        mail = Mail(made, review=True)
        assert mail.send(["a"] * 4) == "would reach 4"
        assert (mail.sent, made.stream.requests) == ([], [])
        assert made.event().mode == Mode.SANDBOX


def test_coroutine_functions() -> None:
    async def stage(to: int) -> str:
        return f"would reach {to}"

    async def run(made: Bench) -> None:
        @made.guard.action("send", "mail.send", recipients="to", sandbox=stage)
        async def send(to: int) -> str:
            return f"reached {to}"

        rehearsed = await made.guard.rehearse(send, 2)
        assert (rehearsed.result, await rehearsed.promote()) == ("would reach 2", "reached 2")
        with pytest.raises(Sandboxed) as caught:
            await send(4)
        request = until(lambda: made.stream.requests, "the question")[0]
        made.stream.answer(request, "approve")
        assert await caught.value.ticket.wait_async(5) is Standing.APPROVED
        assert await caught.value.promote() == "reached 4"

    with bench(policy=MANY) as made:
        asyncio.run(run(made))
        with pytest.raises(TypeError, match="must be a coroutine function where mail"):
            made.guard.action("send", "mail.send", sandbox=stage)(lambda to: None)


def test_what_has_no_sandbox_cannot_be_rehearsed() -> None:
    with bench() as made:
        send = made.guard.action("send", "mail.send")(lambda: None)
        with pytest.raises(TypeError, match=r"mail\.send has no sandbox"):
            made.guard.rehearse(send)
        with pytest.raises(TypeError, match="is not decorated"):
            made.guard.rehearse(print)
