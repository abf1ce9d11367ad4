"""On trial a guard runs what the monitor has granted to it, and no more."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from andon import BreakerOpen, Guard, MemoryTransport, State
from andon.commands import Command
from andon.guard import allowance, follower
from andon.signing import write_new_key
from tests.andon.guarding import Bench, bench, command
from tests.andon.streaming import until


class Alone(MemoryTransport):
    """A stream without a monitor: nobody deals."""

    def grant(self, command: Command, grants: dict[str, int], timeout_s: float = 5.0) -> None:
        return

    def deal(self, command: Command, grants: dict[str, int]) -> None:
        """Now somebody does."""
        super().grant(command, grants)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowance, "DEAL_S", 0.2)
    monkeypatch.setattr(follower, "BEAT_EVERY_S", 0.1)


@pytest.fixture
def alone() -> Iterator[Bench]:
    made = Bench(Alone())
    with made.guard:
        yield made


def act(guard: Guard) -> bool:
    try:
        with guard.attempt("transact", "refund.create", value=1, currency="USD"):
            return True
    except BreakerOpen:
        return False


def trial(generation: int = 1, permits: int = 2, every_s: int = 60) -> Command:
    more = {"permits": permits, "permits_every_s": every_s}
    return command("refunds", generation, State.HALF_OPEN, **more)


def deal(desk: Bench, order: Command, **grants: int) -> None:
    assert isinstance(desk.stream, Alone)
    desk.stream.deal(order, {desk.guard.id: grants.pop("mine", 0), **grants})


def test_without_a_monitor_nothing_runs_and_the_reason_is_clear(alone: Bench) -> None:
    alone.stream.command(trial(permits=5))
    assert not act(alone.guard)
    with pytest.raises(BreakerOpen, match=r"waits for a permit of the monitor; .* every 1m"):
        alone.guard.check()
    assert alone.event().reason == "on trial, no permit left, generation 1"


def _hears_permits() -> bool:
    return any(thread.name == "andon-permits" for thread in threading.enumerate())


def test_permits_are_heard_only_while_a_trial_goes_on_or_may_come(alone: Bench) -> None:
    assert not _hears_permits()
    for generation in (1, 4):
        alone.stream.command(command("refunds", generation, State.OPEN))
        assert _hears_permits()
        order = trial(generation + 1, permits=1)
        alone.stream.command(order)
        deal(alone, order, mine=1)
        assert act(alone.guard)
        alone.stream.command(command("refunds", generation + 2, State.CLOSED))
        until(lambda: not _hears_permits(), "the end of the reader of permits")


def test_the_first_action_waits_for_the_first_deal(
    alone: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowance, "DEAL_S", 60)
    order = trial()
    alone.stream.command(order)
    ran: list[bool] = []
    waiting = threading.Thread(target=lambda: ran.append(act(alone.guard)))
    waiting.start()
    assert ran == []
    deal(alone, order, mine=1)
    waiting.join(10)
    assert ran == [True]


def test_what_was_granted_for_a_period_is_taken_once_and_lapses_with_it(alone: Bench) -> None:
    order = trial()
    alone.stream.command(order)
    deal(alone, order, mine=2)
    assert act(alone.guard)
    alone.stream.permits.append(alone.stream.permits[0])  # as written again by another worker
    deal(alone, order, mine=3)
    assert [act(alone.guard) for _ in range(4)] == [True, True, True, False]
    deal(alone, order, other=9)
    assert not act(alone.guard)
    with pytest.raises(BreakerOpen, match="waits for a permit"):
        alone.guard.check()


def test_permits_lapse_though_nobody_deals_new_ones(alone: Bench) -> None:
    order = trial(every_s=1)
    alone.stream.command(order)
    deal(alone, order, mine=9)
    assert act(alone.guard)
    until = time.monotonic() + 10
    while act(alone.guard) and time.monotonic() < until:
        time.sleep(0.1)
    assert not act(alone.guard)


def test_what_was_dealt_on_another_trial_is_not_for_this_one(alone: Bench) -> None:
    first, second = trial(1), trial(3)
    alone.stream.command(first)
    alone.obey(State.OPEN, 2)
    alone.stream.command(second)
    deal(alone, first, mine=5)
    assert not act(alone.guard)
    deal(alone, second, mine=1)
    assert [act(alone.guard), act(alone.guard)] == [True, False]


def test_heartbeats_tell_what_was_turned_away_since_the_last_deal(alone: Bench) -> None:
    order = trial()
    alone.stream.command(order)
    deal(alone, order, mine=1)
    assert [act(alone.guard) for _ in range(4)] == [True, False, False, False]
    told(alone, 3)
    deal(alone, order, mine=1)
    told(alone, 0)


def told(desk: Bench, wants: int) -> None:
    """Waits for a heartbeat that says so."""
    stream = desk.stream
    before = len(stream.heartbeats)
    with stream.changed:
        assert stream.changed.wait_for(
            lambda: [beat.wants for beat in stream.heartbeats[before:]][-1:] == [wants], 10
        )


def test_permits_that_nobody_has_signed_are_refused(tmp_path: Path) -> None:
    signer = write_new_key(tmp_path / "key.pem")
    made = Bench(Alone(), verify_keys=signer.public)
    with made.guard:
        order = signer.sign(trial())
        made.stream.command(order)
        deal(made, order, mine=2)
        assert not act(made.guard)
        assert made.counted("faults")["signature"] >= 1


def test_a_guard_that_comes_later_takes_nothing_of_the_others() -> None:
    with bench() as desk:
        desk.stream.command(trial(permits=5))
        with Bench(desk.stream).guard as late:
            assert late.ready()
            assert not act(late)
        assert act(desk.guard)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_another_guard_and_has_none_of_its_parents_permits() -> None:
    with bench() as desk:
        desk.stream.command(trial(permits=5))
        assert act(desk.guard)
        child = os.fork()
        if child == 0:
            os._exit(7 if act(desk.guard) else 3)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
        assert [act(desk.guard) for _ in range(5)] == [True] * 4 + [False]
