"""Every action ends in exactly one event, whatever becomes of queue, threads and process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon import BreakerOpen, Event, Guard, MemoryTransport, State
from andon.guard.outbox import BATCH_MAX
from andon.guard.transport import Delivery, Message
from tests.andon.guarding import Bench, bench, command


class Blocked(MemoryTransport):
    """A stream that takes nothing, as a broker that does not answer, until it is `open`."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.asked = threading.Event()

    def deliver(self, messages: Sequence[Message]) -> Delivery:
        self.asked.set()
        if self.open.wait(0.01):
            return super().deliver(messages)
        return Delivery(list(messages), [], ConnectionError("no broker"))


def blocked(**settings: Any) -> tuple[Blocked, Guard]:
    """A guard whose first event is under way and goes no further."""
    stream = Blocked()
    guard = Guard("refunds", "refund-bot", transport=stream, **settings)
    act(guard, "first")
    assert stream.asked.wait(5)
    return stream, guard


def act(guard: Guard, name: str) -> None:
    with guard.attempt("trigger", name):
        pass


def counted(guard: Guard) -> dict[str, int]:
    counts = guard.stats()["andon_guard_events_total"]
    assert isinstance(counts, dict)
    return counts


def waiting(guard: Guard) -> int:
    events = guard.stats()["andon_guard_queued_events"]
    assert isinstance(events, int)
    return events


# --- the full queue ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when_full", "kept", "marked"),
    [("drop_oldest", ["first", "5", "6"], "5"), ("drop_newest", ["first", "1", "2"], "after")],
)
def test_full_queue_drops_counts_and_marks_the_gap(
    when_full: Any, kept: list[str], marked: str
) -> None:
    stream, guard = blocked(when_full=when_full, queue_max=3)
    for n in range(1, 7):
        act(guard, str(n))
    assert waiting(guard) == 3
    stream.open.set()
    assert guard.flush(5)
    act(guard, "after")
    assert guard.close(5)
    assert [event.action for event in stream.events] == [*kept, "after"]
    gaps = {event.action: event.labels["andon_dropped"] for event in stream.events if event.labels}
    assert gaps == {marked: 4}
    assert counted(guard) == {"queued": 8, "sent": 4, "dropped": 4, "failed": 0}


@pytest.mark.parametrize("when_full", ["drop_oldest", "drop_newest"])
def test_marks_in_the_log_add_up_to_what_is_missing(when_full: Any) -> None:
    stream, guard = blocked(when_full=when_full, queue_max=BATCH_MAX + 10)
    for _ in range(5):
        for n in range(BATCH_MAX):
            act(guard, str(n))
        stream.asked.clear()
        assert stream.asked.wait(5)
    stream.open.set()
    assert guard.flush(5)
    act(guard, "after")
    assert guard.close(5)
    missing = sum(event.labels.get("andon_dropped", 0) for event in stream.events)
    assert missing == counted(guard)["dropped"] > 0


def test_full_queue_blocks_where_it_is_told_to() -> None:
    stream, guard = blocked(when_full="block", queue_max=1)
    second = threading.Thread(target=act, args=(guard, "second"))
    second.start()
    second.join(0.05)
    assert second.is_alive()
    stream.open.set()
    second.join(5)
    assert not second.is_alive()
    assert guard.close(5)
    assert counted(guard) == {"queued": 2, "sent": 2, "dropped": 0, "failed": 0}


def test_full_queue_blocks_the_task_and_not_the_event_loop() -> None:
    stream, guard = blocked(when_full="block", queue_max=1)

    async def main() -> None:
        async def second() -> None:
            async with guard.attempt("trigger", "second"):
                pass

        task = asyncio.create_task(second())
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert not task.done()
        stream.open.set()
        await asyncio.wait_for(task, 5)

    asyncio.run(main())
    assert guard.close(5)
    assert [event.action for event in stream.events] == ["first", "second"]


def test_closing_frees_a_blocked_caller() -> None:
    _, guard = blocked(when_full="block", queue_max=1)
    second = threading.Thread(target=act, args=(guard, "second"))
    second.start()
    assert not guard.close(0.05)
    second.join(5)
    assert not second.is_alive()
    assert counted(guard) == {"queued": 2, "sent": 0, "dropped": 2, "failed": 0}


# --- delivery ----------------------------------------------------------------------------------


def test_events_arrive_in_order_and_in_batches() -> None:
    stream, guard = blocked()
    names = [str(n) for n in range(2 * BATCH_MAX + 10)]
    for name in names:
        act(guard, name)
    stream.open.set()
    assert guard.close(10)
    assert [event.action for event in stream.events] == ["first", *names]


def test_ack_goes_before_the_events_that_wait() -> None:
    stream, guard = blocked()
    act(guard, "second")
    stream.open.set()
    stream.command(command("refunds", 1, State.OPEN))
    assert guard.close(5)
    assert [ack.generation for ack in stream.acks] == [1]


def test_record_that_is_refused_for_good_holds_nothing_up() -> None:
    class Picky(MemoryTransport):
        def deliver(self, messages: Sequence[Message]) -> Delivery:
            bad = [message for message in messages if b"bad" in message.value]
            super().deliver([message for message in messages if message not in bad])
            return Delivery([], [(message, ValueError("too bad")) for message in bad])

    stream = Picky()
    with Guard("refunds", "refund-bot", transport=stream) as guard:
        for name in ("good", "bad", "better"):
            act(guard, name)
        assert guard.flush(5)
        assert [event.action for event in stream.events] == ["good", "better"]
        assert counted(guard) == {"queued": 3, "sent": 2, "dropped": 0, "failed": 1}


def test_transport_that_breaks_its_promise_holds_nothing_up() -> None:
    class Raising(MemoryTransport):
        raised = False

        def deliver(self, messages: Sequence[Message]) -> Delivery:
            if not self.raised:
                self.raised = True
                raise RuntimeError("never raises, it said")
            return super().deliver(messages)

    stream = Raising()
    with Guard("refunds", "refund-bot", transport=stream) as guard:
        act(guard, "one")
        assert guard.flush(5)
        assert [event.action for event in stream.events] == ["one"]


def test_closed_guard_counts_what_comes_after() -> None:
    with bench() as desk:
        act(desk.guard, "before")
    act(desk.guard, "after")
    assert [event.action for event in desk.stream.events] == ["before"]
    assert desk.counted("events") == {"queued": 2, "sent": 1, "dropped": 1}
    assert desk.guard.close()
    assert desk.guard.flush(0)


def test_close_that_runs_out_of_time_counts_what_it_leaves() -> None:
    _, guard = blocked()
    act(guard, "second")
    assert not guard.flush(0.02)
    assert not guard.close(0.05)
    assert counted(guard) == {"queued": 2, "sent": 0, "dropped": 2, "failed": 0}
    assert waiting(guard) == 0


# --- exactly one event an action ---------------------------------------------------------------


class BoomError(Exception):
    pass


def outcome_of(result: object) -> Any:
    return result if isinstance(result, str) else None


def decorated(desk: Bench, ending: object) -> None:
    @desk.guard.action(
        "transact", "refund.create", value="amount", currency="USD", classify=outcome_of
    )
    def refund(amount: object) -> object:
        if isinstance(ending, BoomError):
            raise ending
        return ending

    refund(ending)


def decorated_async(desk: Bench, ending: object) -> None:
    @desk.guard.action("send", "mail.send", recipients="result.to", classify=outcome_of)
    async def send() -> object:
        await asyncio.sleep(0)
        if isinstance(ending, BoomError):
            raise ending
        return ending

    asyncio.run(send())


def attempted(desk: Bench, ending: Any) -> None:
    told = {"value": ending, "currency": "USD", "step": ending}
    with desk.guard.attempt("update", str(ending), **told) as attempt:
        attempt.outcome = ending
        if isinstance(ending, BoomError):
            raise ending


async def entered(desk: Bench, ending: Any) -> None:
    async with desk.guard.attempt("loop", "turn", run=ending, labels=ending):
        if isinstance(ending, BoomError):
            raise ending


def attempted_async(desk: Bench, ending: object) -> None:
    asyncio.run(entered(desk, ending))


WAYS = st.sampled_from([decorated, decorated_async, attempted, attempted_async])
ENDINGS = st.one_of(
    st.none(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.just({"to": 3}),
    st.sampled_from(["error", "denied"]),
    st.builds(BoomError),
)
STEPS = st.lists(st.one_of(st.tuples(WAYS, ENDINGS), st.sampled_from(State)), max_size=12)


@given(STEPS)
@settings(max_examples=40)
def test_every_action_is_exactly_one_event(
    steps: list[tuple[Callable[[Bench, object], None], object] | State],
) -> None:
    with bench() as desk:
        actions = refused = generation = 0
        for step in steps:
            if isinstance(step, State):
                generation += 1
                desk.obey(step, generation, permits=1)
            else:
                act_so, ending = step
                actions += 1
                try:
                    act_so(desk, ending)
                except BreakerOpen:
                    refused += 1
                except BoomError:
                    pass
        events = desk.events()
        assert len(events) == actions
        assert len({event.event_id for event in events}) == actions
        assert sum(desk.counted("actions").values()) == actions
        assert desk.counted("events") == ({"queued": actions, "sent": actions} if actions else {})
        assert desk.counted("actions").get("denied", 0) >= refused
        assert [ack.generation for ack in desk.stream.acks] == list(range(1, generation + 1))


def test_many_threads_and_tasks_share_one_guard() -> None:
    threads, each = 8, 200

    with bench() as desk:

        @desk.guard.action("transact", "refund.create", value="n", currency="USD", target="who")
        def refund(who: str, n: int) -> None:
            if n % 10 == 0:
                raise BoomError

        @desk.guard.action("send", "mail.send", target="who", step="n")
        async def mail(who: str, n: int) -> None:
            await asyncio.sleep(0)

        async def tasks(who: str) -> None:
            await asyncio.gather(*(mail(who, n) for n in range(each)))

        def work(who: str) -> None:
            for n in range(each):
                with suppress(BoomError):
                    refund(who, n)
            asyncio.run(tasks(who))

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, map(str, range(threads))))
        events = desk.events()
        assert keys(events, "refund.create") == {
            (str(who), n) for who in range(threads) for n in range(each)
        }
        assert keys(events, "mail.send") == keys(events, "refund.create")
        assert len(events) == 2 * threads * each
        assert desk.counted("actions")["error"] == threads * each // 10


def keys(events: list[Event], action: str) -> set[tuple[str | None, float | None]]:
    return {
        (event.target, event.value if event.step is None else event.step)
        for event in events
        if event.action == action
    }
