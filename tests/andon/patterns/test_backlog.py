"""The backlog: what a pause refuses is kept where people want it so, and comes back slowly."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon import (
    BreakerOpen,
    Event,
    Guard,
    Held,
    HeldCall,
    LimitExceeded,
    MemoryTransport,
    Outcome,
    PolicyBook,
    State,
)
from andon.guard.patterns.backlog import HeldCalls, Pace
from andon.guard.patterns.held import Fate
from andon.recover import Backlog
from andon.scope_names import Kind, scope_name
from andon.topics import POLICIES
from tests.andon.guarding import Bench, bench, command
from tests.andon.streaming import until

SLOWLY = {"release": 1, "every": "1s"}
AT_ONCE = {"release": 1000, "every": "1s"}


class Shop:
    """A guarded function and a guarded coroutine function, and what ran of them."""

    def __init__(self, made: Bench, **options: Any) -> None:
        self.bench = made
        self.backlog = made.guard.backlog
        self.ran: list[int] = []
        told: dict[str, Any] = {"value": "amount", "currency": "USD", "target": "charge"}
        action = made.guard.action(
            "transact", "refund.create", **(told | {"backlog": True} | options)
        )

        @action
        def refund(amount: int, charge: str = "ch_1") -> str:
            self.ran.append(amount)
            if amount == 13:
                raise LookupError("no such charge")
            return f"refunded {amount}"

        @action
        async def refund_async(amount: int, charge: str = "ch_1") -> asyncio.AbstractEventLoop:
            self.ran.append(amount)
            await asyncio.sleep(0)
            return asyncio.get_running_loop()

        self.refund = refund
        self.refund_async = refund_async

    def held(self, amount: int, charge: str = "ch_1") -> HeldCall:
        """The ticket of a call that is refused."""
        with pytest.raises(Held) as caught:
            self.refund(amount, charge)
        return caught.value.ticket

    def events(self, outcome: Outcome) -> list[Event]:
        return [event for event in self.bench.events() if event.outcome is outcome]


def policy(backlog: Any, **more: Any) -> dict[str, Any]:
    return {"name": "refunds", "recover": {"backlog": backlog}, **more}


@contextmanager
def shop(backlog: Any, state: State | None = State.OPEN, **more: Any) -> Iterator[Shop]:
    """One whose workflow is paused, under a policy with this backlog."""
    options = more.pop("options", {})
    with bench(policy=policy(backlog, **more), ledger=":memory:") as made:
        assert made.guard.ready(5)
        if state is not None:
            made.obey(state)
        yield Shop(made, **options)


def refused(act: Callable[[], object]) -> BreakerOpen:
    with pytest.raises(BreakerOpen) as caught:
        act()
    assert not isinstance(caught.value, Held)
    return caught.value


def test_what_is_dropped_is_refused_as_ever() -> None:
    with shop("drop") as made:
        refused(lambda: made.refund(5))
        assert (made.bench.counted("backlog"), len(made.backlog)) == ({}, 0)
        assert made.bench.event().reason == "paused, generation 1"


def test_a_caller_gets_a_ticket_and_the_call_runs_when_people_say_so() -> None:
    with shop("hold") as made:
        with pytest.raises(Held, match=r"is paused.*Resume with: .*The call is held \(") as caught:
            made.refund(5)
        ticket = caught.value.ticket
        assert caught.value.generation == 1
        assert ticket.standing is Fate.HELD
        assert made.backlog.calls == (ticket,)
        with pytest.raises(Held):
            ticket.result()

        made.bench.obey(State.CLOSED, 2)
        assert ticket.wait(0.5) is Fate.HELD  # nobody has said so yet
        assert made.ran == []
        assert made.backlog.run(1) == 1
        assert ticket.wait(5) is Fate.DONE
        assert ticket.result() == "refunded 5"
        assert made.ran == [5]
        denied, success = made.bench.events()
        assert denied.reason == f"paused, generation 1; held ({ticket.id})"
        assert success.reason == "released from the backlog after 0s"
        assert denied.labels == success.labels == {"andon_held": ticket.id}
        assert (success.outcome, success.value) == (Outcome.SUCCESS, 5)
        assert made.bench.counted("backlog") == {"held": 1, "released": 1}
        assert made.bench.guard.stats()["andon_guard_held_calls"] == 0


def test_people_run_the_oldest_and_no_more_than_they_say() -> None:
    with shop("hold") as made:
        tickets = [made.held(amount) for amount in range(1, 5)]
        made.bench.obey(State.CLOSED, 2)
        assert (made.backlog.run(1), made.backlog.run(1)) == (1, 1)
        assert tickets[1].wait(5) is Fate.DONE
        assert made.ran == [1, 2]
        assert made.backlog.calls == tuple(tickets[2:])
        assert (made.backlog.run(10), made.backlog.run(10), made.backlog.run(-1)) == (2, 0, 0)
        assert tickets[3].wait(5) is Fate.DONE
        assert made.ran == [1, 2, 3, 4]


def test_what_people_run_while_it_is_paused_stays() -> None:
    with shop("hold") as made:
        ticket = made.held(5)
        assert made.backlog.run(1) == 1
        until(lambda: not made.backlog._ordered, "the order to be looked at")
        assert (ticket.standing, made.ran) == (Fate.HELD, [])
        assert len(made.bench.events()) == 1


def test_a_call_that_nobody_asked_to_be_kept_is_not() -> None:
    with shop("hold", options={"backlog": False}) as made:
        refused(lambda: made.refund(5))
        with pytest.raises(BreakerOpen), made.bench.guard.attempt("transact", "refund.create"):
            pass
        assert len(made.backlog) == 0


def test_the_backlog_is_bounded() -> None:
    with shop({"at_most": 2}) as made:
        made.held(1)
        made.held(2)
        refused(lambda: made.refund(3))
        assert [call.attempt.value for call in made.backlog.calls] == [1, 2]
        assert made.bench.counted("backlog") == {"held": 2, "no_room": 1}
        last = made.bench.events()[-1]
        assert last.reason == "paused, generation 1; not held: the backlog is full (2)"


@pytest.mark.parametrize(
    "against",
    [
        {"limits": [{"value": 4, "currency": "USD"}]},
        {"limits": [{"value": 4, "currency": "USD", "then": "review"}]},
        {"scope": {"targets": ["re_*"]}},
    ],
)
def test_what_more_than_the_breaker_refuses_is_not_held(against: dict[str, Any]) -> None:
    with shop("hold", **against) as made:
        refused(lambda: made.refund(5))
        assert len(made.backlog) == 0


def test_what_is_not_enforced_is_held() -> None:
    with shop("hold", mode="shadow", limits=[{"value": 4, "currency": "USD"}]) as made:
        made.held(5)


def test_a_rehearsal_is_not_held() -> None:
    with bench(policy=policy("hold")) as made:

        @made.guard.action("update", "row.write", backlog=True, sandbox=lambda: "staged")
        def write() -> str:
            return "written"

        made.obey(State.OPEN)
        refused(lambda: made.guard.rehearse(write))
        with pytest.raises(Held):
            write()


def test_off_holds_nothing() -> None:
    with shop("hold", mode="off") as made:
        refused(lambda: made.refund(5))


def test_a_state_that_is_not_known_is_no_pause() -> None:
    class Deaf(MemoryTransport):
        def read(self, topic: str) -> Any:
            raise OSError("no broker")

    with bench(stream=Deaf(), fail="closed", policy=policy("hold")) as made:
        refused(lambda: Shop(made).refund(5))


def test_released_calls_pass_the_guardrails_again() -> None:
    both = [{"value": 8, "currency": "USD", "over": "1h"}]
    with shop(AT_ONCE, limits=both) as made:
        tickets = [made.held(5), made.held(5)]
        made.bench.obey(State.CLOSED, 2)
        assert tickets[0].wait(5) is Fate.DONE
        assert tickets[1].wait(5) is Fate.FAILED
        with pytest.raises(LimitExceeded, match="8 USD is the most"):
            tickets[1].result()
        assert made.ran == [5]
        *_, last = made.bench.events()
        assert last.outcome is Outcome.DENIED
        assert str(last.reason).startswith("value: ")
        assert last.labels == {"andon_held": tickets[1].id}


def test_released_calls_come_back_in_turn_and_evenly() -> None:
    with shop({"release": 5, "every": "1s"}) as made:
        tickets = [made.held(amount) for amount in range(4)]
        assert tickets[0].wait(0.5) is Fate.HELD
        started = time.monotonic()
        made.bench.obey(State.CLOSED, 2)
        assert tickets[-1].wait(10) is Fate.DONE
        assert time.monotonic() - started > 0.59  # three gaps of 0.2 s
        assert made.ran == [0, 1, 2, 3]


def test_nothing_is_released_before_it_is_closed() -> None:
    with shop(AT_ONCE) as made:
        ticket = made.held(5)
        generation = 2
        for state in (State.HALF_OPEN, State.FORCED_OPEN, State.METRICS_ONLY, State.DISABLED):
            made.bench.obey(state, generation)
            assert ticket.wait(0.5) is Fate.HELD
            generation += 1
        made.bench.obey(State.CLOSED, generation)
        assert ticket.wait(5) is Fate.DONE


def test_what_is_on_trial_without_a_permit_is_held() -> None:
    with shop(AT_ONCE, state=None) as made:
        made.bench.obey(State.HALF_OPEN, 1, permits=1)
        assert made.refund(1) == "refunded 1"
        ticket = made.held(2)
        made.bench.obey(State.CLOSED, 2)
        assert ticket.wait(5) is Fate.DONE


def test_a_relapse_keeps_the_rest() -> None:
    with shop(SLOWLY) as made:
        tickets = [made.held(amount) for amount in (1, 2)]
        made.bench.obey(State.CLOSED, 2)
        assert tickets[0].wait(5) is Fate.DONE
        made.bench.obey(State.OPEN, 3)
        assert tickets[1].wait(1.5) is Fate.HELD
        assert made.ran == [1]
        made.bench.obey(State.CLOSED, 4)
        assert tickets[1].wait(5) is Fate.DONE


def test_a_pause_that_comes_between_look_and_call_puts_it_back() -> None:
    with shop("hold") as made:

        async def main() -> None:
            tickets = []
            for amount in (1, 2):
                with pytest.raises(Held) as caught:
                    await made.refund_async(amount)
                tickets.append(caught.value.ticket)
            first, _ = tickets
            made.bench.obey(State.CLOSED, 2)
            made.backlog.run(1)
            until(lambda: first.standing is Fate.RUNNING, "its turn")  # this loop is kept busy
            made.bench.obey(State.OPEN, 3)
            assert await first.wait_async(0.5) is Fate.HELD
            assert made.backlog.calls == tuple(tickets)

        asyncio.run(main())
        assert made.ran == []
        first, _ = made.backlog.calls
        *_, again = made.bench.events()
        assert again.reason == f"paused, generation 3; still held ({first.id})"
        assert made.bench.counted("backlog") == {"held": 2}


def test_a_target_that_is_paused_does_not_hold_up_the_others() -> None:
    with shop(AT_ONCE, state=None) as made:
        target = scope_name(Kind.TARGET, "ch_1")
        made.bench.stream.command(command(target, 1, State.OPEN))
        stuck = made.held(1, "ch_1")
        made.bench.obey(State.OPEN)
        free = made.held(2, "ch_2")
        made.bench.obey(State.CLOSED, 2)
        assert free.wait(5) is Fate.DONE
        assert stuck.wait(0.5) is Fate.HELD
        made.bench.stream.command(command(target, 2, State.CLOSED))
        assert stuck.wait(5) is Fate.DONE
        assert made.ran == [2, 1]


def test_what_a_held_call_raises_is_for_its_ticket() -> None:
    with shop(AT_ONCE) as made:
        ticket, after = made.held(13), made.held(14)
        made.bench.obey(State.CLOSED, 2)
        assert ticket.wait(5) is Fate.FAILED
        with pytest.raises(LookupError, match="no such charge"):
            ticket.result()
        assert after.wait(5) is Fate.DONE
        (event,) = made.events(Outcome.ERROR)
        assert event.reason == "LookupError: no such charge"
        assert event.labels == {"andon_held": ticket.id}


def test_a_coroutine_runs_in_the_loop_that_called_it() -> None:
    with shop(AT_ONCE) as made:

        async def main() -> None:
            with pytest.raises(Held) as caught:
                await made.refund_async(5)
            ticket = caught.value.ticket
            await asyncio.to_thread(made.bench.obey, State.CLOSED, 2)
            assert await ticket.wait_async(5) is Fate.DONE
            assert ticket.result() is asyncio.get_running_loop()

        asyncio.run(main())
        assert made.ran == [5]
        assert [event.outcome for event in made.bench.events()] == ["denied", "success"]


def test_a_coroutine_whose_loop_is_gone_runs_in_one_of_its_own() -> None:
    with shop(AT_ONCE) as made:

        async def main() -> HeldCall:
            with pytest.raises(Held) as caught:
                await made.refund_async(5)
            return caught.value.ticket

        ticket = asyncio.run(main())
        made.bench.obey(State.CLOSED, 2)
        assert ticket.wait(5) is Fate.DONE
        assert made.ran == [5]


def test_a_call_runs_with_the_context_of_its_caller() -> None:
    who: ContextVar[str] = ContextVar("who", default="nobody")
    with bench(policy=policy(AT_ONCE)) as made:

        @made.guard.action("update", "row.write", backlog=True)
        def write() -> str:
            return who.get()

        made.obey(State.OPEN)
        token = who.set("ana")
        with pytest.raises(Held) as caught:
            write()
        who.reset(token)
        made.obey(State.CLOSED, 2)
        assert caught.value.ticket.wait(5) is Fate.DONE
        assert caught.value.ticket.result() == "ana"


def test_people_and_callers_can_give_up() -> None:
    with shop("hold") as made:
        tickets = [made.held(amount) for amount in range(4)]
        assert tickets[3].drop()
        assert not tickets[3].drop()
        assert made.backlog.drop(1) == 1
        assert [ticket.standing for ticket in tickets] == ["dropped", "held", "held", "dropped"]
        assert made.backlog.drop() == 2
        assert tickets[2].wait(0) is Fate.DROPPED
        with pytest.raises(Held):
            tickets[2].result()
        made.bench.obey(State.CLOSED, 2)
        assert made.backlog.run(4) == 0
        told = made.bench.events()[4:]
        gave_up = "dropped from the backlog after 0s: "
        assert [event.reason for event in told] == [
            f"{gave_up}its caller gave it up",
            *[f"{gave_up}a person gave it up"] * 3,
        ]
        assert [event.labels for event in told[:1]] == [{"andon_held": tickets[3].id}]
        assert {event.outcome for event in told} == {Outcome.DENIED}
        assert len({event.event_id for event in made.bench.events()}) == 8
        assert made.bench.counted("backlog") == {"held": 4, "dropped": 4}


def test_what_is_held_when_the_guard_closes_is_told() -> None:
    with shop("hold") as made:
        ticket = made.held(5)
        assert made.bench.guard.close()
        assert ticket.wait(0) is Fate.DROPPED
        *_, last = made.bench.stream.events
        assert last.outcome is Outcome.DENIED
        assert last.reason == "dropped from the backlog after 0s: the guard was closed"
        assert (last.value, last.target) == (5, "ch_1")
        refused(lambda: made.refund(6))
        assert made.ran == []


def test_what_runs_when_the_guard_closes_is_told_too() -> None:
    going, go = threading.Event(), threading.Event()
    with bench(policy=policy("hold")) as made:

        @made.guard.action("update", "row.write", backlog=True)
        def write() -> None:
            going.set()
            assert go.wait(10)

        made.obey(State.OPEN)
        for _ in range(2):
            with pytest.raises(Held):
                write()
        made.obey(State.CLOSED, 2)
        made.guard.backlog.run(2)
        assert going.wait(5)
        threading.Timer(0.1, go.set).start()
        assert made.guard.close()
        outcomes = [event.outcome for event in made.stream.events]
        assert sorted(outcomes) == ["denied", "denied", "denied", "success"]


def test_a_pushed_policy_holds_from_one_call_to_the_next() -> None:
    stream = MemoryTransport()
    for backlog in ("hold", "drop"):
        document = {"version": 1, "policies": [policy(backlog)]}
        stream.push(PolicyBook.model_validate(document))
        if backlog == "hold":
            made = Bench(stream, policy="topic")
            made.obey(State.OPEN)
            desk = Shop(made)
            ticket = desk.held(5)
    with made.guard:
        until(lambda: _refused_now(desk), "the new policy")
        assert ticket.standing is Fate.HELD  # as its caller was told
        made.obey(State.CLOSED, 2)
        made.guard.backlog.run(1)
        assert ticket.wait(5) is Fate.DONE


def test_a_refused_call_waits_for_the_policies_to_be_known() -> None:
    heard = threading.Event()

    class Late(MemoryTransport):
        def read(self, topic: str) -> Any:
            assert topic != POLICIES or heard.wait(5)
            return super().read(topic)

    stream = Late()
    document = {"version": 1, "policies": [policy("hold")]}
    stream.push(PolicyBook.model_validate(document))
    with bench(stream=stream, policy="topic") as made:
        made.obey(State.OPEN)
        desk = Shop(made)
        threading.Timer(0.3, heard.set).start()
        desk.held(5)


def _refused_now(desk: Shop) -> bool:
    try:
        desk.refund(6)
    except Held as held:
        held.ticket.drop()
        return False
    except BreakerOpen:
        return True
    return False


def test_a_forked_child_has_nothing_to_run() -> None:
    with shop("hold") as made:
        made.held(5)
        made.bench.guard.backlog.forked()
        assert (len(made.backlog), made.backlog.run(1)) == (0, 0)


def test_a_guard_without_a_policy_has_a_backlog_that_is_empty() -> None:
    with bench() as made:
        assert isinstance(made.guard.backlog, HeldCalls)
        assert isinstance(made.guard, Guard)
        made.obey(State.OPEN)
        refused(lambda: Shop(made).refund(5))


BOUNDS = st.builds(
    Backlog,
    release=st.integers(1, 50),
    every=st.sampled_from(["1s", "7s", "1m", "1h"]),
)
STEPS_S = st.lists(st.floats(0, 30) | st.just(0.0), min_size=1, max_size=150)


@given(BOUNDS, STEPS_S)
def test_no_window_ever_holds_more_than_is_to_be_released(
    bound: Backlog, steps_s: list[float]
) -> None:
    pace, now_ns, released = Pace(), 1, []
    for step_s in steps_s:
        now_ns = max(now_ns + int(step_s * 1e9), pace.due_ns(bound) if step_s == 0 else 0)
        if now_ns >= pace.due_ns(bound):
            pace.take(bound, now_ns)
            released.append(now_ns)
    assert bound.release is not None
    for first, beyond in zip(released, released[bound.release :], strict=False):
        assert beyond - first >= bound.every * 10**9
    for one, other in pairwise(released):
        assert (other - one) * bound.release >= bound.every * 10**9


@given(st.lists(st.tuples(BOUNDS, st.floats(0, 10)), max_size=60))
def test_a_new_pace_waits_for_the_release_before_it(changes: list[tuple[Backlog, float]]) -> None:
    pace, now_ns, newest = Pace(), 1, None
    for bound, step_s in changes:
        now_ns += int(step_s * 1e9)
        known = pace._newest.get(bound)
        if now_ns >= pace.due_ns(bound):
            since = newest if known is None else known
            assert since is None or now_ns - since >= bound.gap_ns
            pace.take(bound, now_ns)
            newest = now_ns
