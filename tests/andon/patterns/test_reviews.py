"""The review gate: an action stops, people are asked, and what they approve runs once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from andon import BreakerOpen, LimitExceeded, Outcome, ReviewDenied, ReviewNeeded, State
from andon.approvals import Answer, Ask
from andon.approvals_log import Request, Standing
from andon.signing import write_new_key
from tests.andon.guarding import Bench, bench
from tests.andon.streaming import until

BIG = {"value": 2000, "currency": "USD", "then": "review"}


class Desk:
    """A refund that people have to approve, and what ran of it."""

    def __init__(self, made: Bench, **options: Any) -> None:
        self.stream = made.stream
        self.bench = made
        self.ran: list[tuple[str, float]] = []

        @made.guard.action(
            "transact", "refund.create", value="amount", currency="USD", target="charge",
            **({"review": True} | options),
        )  # fmt: skip
        def refund(charge: str, amount: float, **more: Any) -> str:
            self.ran.append((charge, amount))
            return f"refunded {charge}"

        self.refund = refund

    def request(self, place: int = -1) -> Request:
        """What people were asked, once it is in the log."""
        until(lambda: len(self.stream.requests) >= abs(place), "the question")
        return self.stream.requests[place]

    def ask(self) -> Ask:
        order = self.request().order
        assert isinstance(order, Ask)
        return order


def needed(desk: Desk, *args: Any, **kwargs: Any) -> ReviewNeeded:
    with pytest.raises(ReviewNeeded) as caught:
        desk.refund(*args, **kwargs)
    return caught.value


def test_stops_asks_and_runs_once_it_is_approved() -> None:
    with bench() as made:
        desk = Desk(made)
        refusal = needed(desk, "ch_1", 25)
        ask = desk.ask()
        assert refusal.ticket.id == ask.request_id
        assert f"andon approvals approve {ask.request_id} --reason" in str(refusal)
        assert (ask.action, ask.target, ask.value, ask.currency) == (
            "refund.create", "ch_1", 25.0, "USD",
        )  # fmt: skip
        assert json.loads(ask.arguments) == {"charge": "ch_1", "amount": 25, "more": {}}
        assert ask.reasons == ["review: each refund.create needs an approval"]
        assert (ask.issued_by, ask.people, ask.expires_s) == ("automation:refund-bot", 1, 3600)
        assert refusal.ticket.standing is Standing.PENDING
        assert desk.ran == []

        desk.stream.answer(desk.request(), "approve")
        assert refusal.ticket.wait(5) is Standing.APPROVED
        assert refusal.ticket.run() == "refunded ch_1"
        assert desk.ran == [("ch_1", 25)]
        assert refusal.ticket.standing is Standing.USED
        events = made.events()
        assert [event.outcome for event in events] == [Outcome.DENIED, Outcome.SUCCESS]
        assert events[0].reason == f"review needed ({ask.request_id}): {ask.reasons[0]}"
        assert made.counted("checks") == {"review": 1, "approved": 1}


def test_with_keys_only_a_signed_answer_counts(tmp_path: Path) -> None:
    ours, eve = (write_new_key(tmp_path / name) for name in ("ours.pem", "eve.pem"))
    with bench(verify_keys=ours.public) as made:
        desk = Desk(made)
        ticket = needed(desk, "ch_1", 25).ticket
        ask = desk.ask()
        yes = Answer(
            request_id=ask.request_id,
            workflow=ask.workflow,
            issued_at=ask.issued_at,
            issued_by="user:ana",
            verdict="approve",
            digest=ask.digest,
            reason="charged twice",
        )
        another = ours.sign(yes.model_copy(update={"request_id": "another"}))
        moved = yes.model_copy(update={"signature": another.signature})
        for forged in (yes, eve.sign(yes), moved):
            made.stream.write(forged)
        until(lambda: made.counted("faults") == {"signature": 3}, "three refusals")
        assert ticket.standing is Standing.PENDING
        with pytest.raises(ReviewNeeded):
            desk.refund("ch_1", 25)

        made.stream.write(ours.sign(yes))
        assert ticket.wait(5) is Standing.APPROVED
        assert ticket.run() == "refunded ch_1"


def test_an_approval_is_for_one_call_with_exactly_these_arguments() -> None:
    with bench() as made:
        desk = Desk(made)
        first = needed(desk, "ch_1", 25)
        desk.stream.answer(desk.request(), "approve")
        first.ticket.wait(5)
        assert needed(desk, "ch_1", 26).ticket.id != first.ticket.id
        assert needed(desk, "ch_2", 25).ticket.id != first.ticket.id
        assert needed(desk, "ch_1", 25, note="x").ticket.id != first.ticket.id
        desk.refund("ch_1", amount=25)  # the same, said differently
        assert needed(desk, "ch_1", 25).ticket.id != first.ticket.id  # used
        assert desk.ran == [("ch_1", 25)]


def test_the_same_question_is_asked_once() -> None:
    with bench() as made:
        desk = Desk(made)
        assert len({needed(desk, "ch_1", 25).ticket.id for _ in range(3)}) == 1
        desk.request()
        assert needed(desk, "ch_1", 25).ticket.id == desk.ask().request_id
        assert len(desk.stream.requests) == 1


def test_denied_is_denied_until_the_question_expires() -> None:
    with bench() as made:
        desk = Desk(made)
        ticket = needed(desk, "ch_1", 25).ticket
        desk.stream.answer(desk.request(), "deny", "user:ana")
        assert ticket.wait(5) is Standing.DENIED
        for _ in range(2):
            with pytest.raises(ReviewDenied, match=r"people have denied it .*: ana: a test"):
                desk.refund("ch_1", 25)
        assert len(desk.stream.requests) == 1
        assert desk.ran == []


def test_waits_for_the_answer_where_it_is_told_to() -> None:
    with bench() as made, ThreadPoolExecutor(1) as pool:
        desk = Desk(made, review={"wait": "30s"})
        answer = pool.submit(lambda: desk.stream.answer(desk.request(), "approve"))
        assert desk.refund("ch_1", 25) == "refunded ch_1"
        answer.result()
        (event,) = made.events()
        assert event.outcome is Outcome.SUCCESS


def test_waits_in_asyncio_without_blocking_the_loop() -> None:
    async def run(made: Bench) -> int:
        ticks = 0

        @made.guard.action("update", "record.set", review={"wait": "30s"})
        async def act(name: str) -> str:
            return f"did {name}"

        async def people() -> None:
            nonlocal ticks
            while not made.stream.requests:
                ticks += 1
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.1)
            made.stream.answer(made.stream.requests[0], "approve")

        answering = asyncio.create_task(people())
        assert await act("x") == "did x"
        await answering
        return ticks

    with bench() as made:
        assert asyncio.run(run(made)) > 0


def test_gives_up_waiting_after_its_time() -> None:
    with bench() as made:
        desk = Desk(made, review={"wait": "1s"})
        started = time.monotonic()
        needed(desk, "ch_1", 25)
        assert 0.9 < time.monotonic() - started < 10


def test_a_cancelled_wait_is_no_running_action() -> None:
    async def run(made: Bench) -> None:
        @made.guard.action("update", "record.set", review={"wait": "30s"})
        async def act() -> None: ...

        task = asyncio.create_task(act())
        await asyncio.to_thread(until, lambda: made.stream.requests, "the question")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert made.guard._recorder.in_flight == 0

    with bench() as made:
        asyncio.run(run(made))


def test_two_people_where_two_are_asked_for() -> None:
    with bench() as made:
        desk = Desk(made, review={"people": 2})
        refusal = needed(desk, "ch_1", 25)
        assert "two people have to approve it" in str(refusal)
        for _ in range(2):
            desk.stream.answer(desk.request(), "approve", "user:ana")
        assert refusal.ticket.wait(0.3) is Standing.PENDING
        desk.stream.answer(desk.request(), "approve", "user:bob")
        assert refusal.ticket.wait(5) is Standing.APPROVED
        desk.refund("ch_1", 25)


def test_a_limit_may_ask_for_two_where_an_approval_by_one_does_not_do() -> None:
    limits = [BIG, {**BIG, "value": 9000, "people": 2}]
    with bench(policy={"name": "p", "limits": limits}) as made:
        desk = Desk(made, review=False)
        desk.refund("ch_1", 2000)
        needed(desk, "ch_1", 2001)
        assert desk.ask().people == 1
        needed(desk, "ch_1", 9001)
        desk.request(-2)
        assert len(desk.stream.requests) == 2
        assert desk.ask().people == 2
        assert desk.ran == [("ch_1", 2000)]


def test_late_approval_is_refused() -> None:
    with bench() as made:
        desk = Desk(made, review={"expires": "1s"})
        first = needed(desk, "ch_1", 25).ticket
        request = desk.request()
        until(lambda: first.standing is Standing.EXPIRED, "the end of the second")
        desk.stream.answer(request, "approve")
        assert first.standing is Standing.EXPIRED
        assert needed(desk, "ch_1", 25).ticket.id != first.id
        assert desk.ran == []


def test_forged_answers_are_refused_and_counted() -> None:
    with bench() as made:
        desk = Desk(made)
        ticket = needed(desk, "ch_1", 25).ticket
        request = desk.request()
        ask = desk.ask()
        desk.stream.approvals += [
            desk.stream.approvals[0]._replace(value=b"{}"),
            desk.stream.approvals[0]._replace(key=b"other", value=b"not ours"),
        ]
        for forged in (
            ask.model_copy(update={"digest": "0" * 64}),
            ask.model_copy(update={"request_id": "unknown"}),
        ):
            desk.stream.answer(Request(forged, 0), "approve")
        assert ticket.wait(0.3) is Standing.PENDING
        assert desk.bench.counted("faults") == {"approval": 2}
        desk.stream.answer(request, "approve")
        assert ticket.wait(5) is Standing.APPROVED


def test_arguments_changed_while_people_thought_about_them_are_refused() -> None:
    with bench() as made:

        @made.guard.action("update", "order.set", review={"wait": "30s"})
        def act(order: dict[str, int]) -> None:
            pytest.fail("it ran with other arguments")

        order = {"total": 5}

        def answer() -> None:
            until(lambda: made.stream.requests, "the question")
            order["total"] = 5000
            made.stream.answer(made.stream.requests[0], "approve")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ReviewDenied, match="no longer those that were approved"):
            act(order)
        thread.join()


def test_what_cannot_be_bound_is_refused_with_its_name() -> None:
    with bench() as made:

        @made.guard.action("update", "order.set", review=True)
        def act(client: object) -> None: ...

        with pytest.raises(LimitExceeded, match="client: a object cannot be bound to an approval"):
            act(object())
        assert made.stream.requests == []


def test_hidden_arguments_are_bound_and_not_shown() -> None:
    with bench() as made:

        @made.guard.action("update", "card.set", review=True, hide=["card"])
        def act(card: str) -> None: ...

        for card in ("4111", "4222"):
            with pytest.raises(ReviewNeeded):
                act(card)
        until(lambda: len(made.stream.requests) == 2, "two questions")
        first, second = (request.order for request in made.stream.requests)
        assert isinstance(first, Ask)
        assert isinstance(second, Ask)
        assert first.arguments == second.arguments == '{"card": "(hidden)"}'
        assert first.digest != second.digest


def test_of_fifty_threads_with_one_approval_one_runs() -> None:
    with bench() as made:
        desk = Desk(made)
        needed(desk, "ch_1", 25)
        desk.stream.answer(desk.request(), "approve")
        start = threading.Barrier(50)

        def attempt() -> None:
            start.wait()
            with contextlib.suppress(LimitExceeded):
                desk.refund("ch_1", 25)

        threads = [threading.Thread(target=attempt) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert desk.ran == [("ch_1", 25)]


def test_a_guard_that_was_not_there_when_people_answered_runs_it() -> None:
    with bench() as made:
        needed(Desk(made), "ch_1", 25)
        made.stream.answer(until(lambda: made.stream.requests, "the question")[0], "approve")
    again = Bench(stream=made.stream)
    with again.guard:
        desk = Desk(again)
        assert desk.refund("ch_1", 25) == "refunded ch_1"
        needed(desk, "ch_1", 25)


def test_pause_comes_before_people_and_after_them() -> None:
    with bench() as made:
        desk = Desk(made)
        desk.bench.obey(State.OPEN, 1)
        with pytest.raises(BreakerOpen):
            desk.refund("ch_1", 25)
        assert desk.stream.requests == []
        desk.bench.obey(State.CLOSED, 2)
        ticket = needed(desk, "ch_1", 25).ticket
        desk.stream.answer(desk.request(), "approve")
        ticket.wait(5)
        desk.bench.obey(State.OPEN, 3)
        with pytest.raises(BreakerOpen):
            desk.refund("ch_1", 25)
        desk.bench.obey(State.CLOSED, 4)
        desk.refund("ch_1", 25)  # the pause has not used the approval up


def test_so_many_an_hour_then_people() -> None:
    policy = {"name": "p", "limits": [{"actions": 2, "over": "1h", "then": "review"}]}
    with bench(policy=policy, ledger=":memory:") as made:
        desk = Desk(made, review=False)
        desk.refund("ch_1", 1)
        desk.refund("ch_2", 1)
        ticket = needed(desk, "ch_3", 1).ticket
        assert desk.ask().reasons == [
            "actions: 1 action on top of 2 actions within 1h, 2 actions is the most"
        ]
        desk.stream.answer(desk.request(), "approve")
        assert ticket.wait(5) is Standing.APPROVED
        ticket.run()
        assert [charge for charge, _ in desk.ran] == ["ch_1", "ch_2", "ch_3"]


def test_approval_lifts_no_limit_that_denies() -> None:
    limits = [BIG, {"value": 5000, "currency": "USD", "over": "1h"}]
    with bench(policy={"name": "p", "limits": limits}, ledger=":memory:") as made:
        desk = Desk(made, review=False)
        desk.refund("ch_1", 2000)
        ticket = needed(desk, "ch_2", 3001).ticket
        desk.stream.answer(desk.request(), "approve")
        ticket.wait(5)
        with pytest.raises(LimitExceeded, match="3,001 USD on top of 2,000 USD within 1h"):
            ticket.run()
        assert ticket.standing is Standing.APPROVED  # not used up
        assert [charge for charge, _ in desk.ran] == ["ch_1"]


def test_attempt_is_bound_by_its_fields() -> None:
    with bench(policy={"name": "p", "limits": [BIG]}) as made:

        def act(value: float) -> None:
            with made.guard.attempt("transact", "refund.create", value=value, currency="USD"):
                pass

        with pytest.raises(ReviewNeeded) as caught:
            act(2500)
        with pytest.raises(TypeError, match="enter an attempt like it"):
            caught.value.ticket.run()
        made.stream.answer(until(lambda: made.stream.requests, "the question")[0], "approve")
        caught.value.ticket.wait(5)
        with pytest.raises(ReviewNeeded):
            act(2501)
        act(2500)


def test_shadow_asks_nobody() -> None:
    with bench(guardrails="shadow") as made:
        desk = Desk(made)
        desk.refund("ch_1", 25)
        assert desk.stream.requests == []
        label = made.event().labels["andon_would"]
        assert label == "review: review: each refund.create needs an approval"


@pytest.mark.parametrize(
    ("review", "mistake"),
    [
        ({"people": 3}, "review.people: "),
        ({"wait": 5}, "review.wait: must be a duration"),
        (5, "review: must"),
    ],
)
def test_mistake_is_found_where_the_function_is_decorated(review: Any, mistake: str) -> None:
    with bench() as made, pytest.raises(ValueError, match=mistake):
        made.guard.action("update", "x", review=review)
