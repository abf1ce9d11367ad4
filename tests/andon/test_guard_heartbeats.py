"""A guard tells that it lives, what it obeys and what it found running; and it says goodbye."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from andon import BreakerOpen, Guard, MemoryTransport, State, topics
from andon.breaker import Breaker
from andon.commands import Heartbeat
from andon.guard import follower
from andon.guard.memory import MemoryLog
from andon.guard.transport import Delivery, Message
from tests.andon.guarding import Bench, bench
from tests.andon.streaming import until


def test_beats_with_what_it_obeys_and_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "BEAT_EVERY_S", 0.05)
    with bench() as desk:
        first = until(lambda: desk.stream.heartbeats, "a heartbeat")[0]
        assert (first.workflow, first.automation) == ("refunds", "refund-bot")
        assert (first.guard, first.generation, first.state) == (desk.guard.id, 0, State.CLOSED)
        with desk.guard.attempt("transact", "refund.create"):
            desk.obey(State.OPEN, 7)
            last = until(lambda: beats(desk, 7), "a heartbeat after the command")[-1]
            assert (last.state, last.in_flight, last.leaving) == (State.OPEN, 1, False)


def test_beats_every_five_seconds_more_or_less() -> None:
    assert (follower.BEAT_EVERY_S, follower.BEAT_JITTER) == (5.0, 0.2)


def beats(desk: Bench, generation: int) -> list[Heartbeat]:
    return [beat for beat in desk.stream.heartbeats if beat.generation == generation]


def test_says_goodbye_as_its_last_word() -> None:
    with bench() as desk:
        until(lambda: desk.stream.heartbeats, "a heartbeat")
    assert [beat.leaving for beat in desk.stream.heartbeats] == [False, True]


class Deaf(MemoryTransport):
    """Commands cannot be read from it."""

    def read(self, topic: str) -> MemoryLog:
        raise ConnectionError("not authorised")


def test_a_guard_that_hears_no_commands_says_that_it_obeys_none() -> None:
    stream = Deaf()
    with Guard("refunds", "refund-bot", transport=stream, fail="open"):
        (beat,) = until(lambda: stream.heartbeats, "a heartbeat")
    assert (beat.generation, beat.leaving) == (0, False)


class Choosy(MemoryTransport):
    """Takes no heartbeats, as a broker without their topic."""

    def __init__(self) -> None:
        super().__init__()
        self.tried = 0

    def deliver(self, messages: Sequence[Message]) -> Delivery:
        beats = [message for message in messages if message.topic == topics.HEARTBEATS]
        self.tried += len(beats)
        super().deliver([message for message in messages if message not in beats])
        return Delivery(beats, [], ConnectionError("no such topic"))


def test_a_heartbeat_is_tried_once() -> None:
    stream = Choosy()
    with Guard("refunds", "refund-bot", transport=stream) as guard:
        until(lambda: stream.tried, "a heartbeat")
        for _ in range(3):
            with guard.attempt("transact", "refund.create"):
                pass
            assert guard.flush(5)
        assert stream.tried == 1
        assert len(stream.events) == 3


def test_what_runs_at_a_pause_ends_well_and_no_loop_takes_its_next_step() -> None:
    """Five agents in real threads, each in the middle of the second of many steps."""
    loops, at_step = 5, 2
    paused, there = threading.Event(), threading.Barrier(loops + 1)
    done: list[int] = []
    ends: list[str] = []

    with bench() as desk:

        def agent() -> None:
            try:
                for step in range(1, 10):
                    desk.guard.check()
                    with desk.guard.attempt("loop", "agent.step", step=step):
                        if step == at_step:
                            there.wait(10)
                            assert paused.wait(10)
                        done.append(step)
            except BreakerOpen:
                ends.append("refused")

        threads = [threading.Thread(target=agent) for _ in range(loops)]
        for thread in threads:
            thread.start()
        there.wait(10)
        desk.obey(State.OPEN, 1)
        paused.set()
        for thread in threads:
            thread.join(10)
        assert [ack.in_flight for ack in desk.stream.acks] == [loops]
        assert ends == ["refused"] * loops
        assert sorted(done) == [1] * loops + [at_step] * loops
        assert [event.outcome for event in desk.events()] == ["success"] * loops * at_step
        assert desk.guard.state == Breaker(State.OPEN, 1)
