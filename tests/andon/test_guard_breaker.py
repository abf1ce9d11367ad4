"""What a guard does in each state of its workflow's breaker."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from andon import BreakerOpen, Guard, MemoryTransport, Outcome, State
from andon.guard.gate import Gate
from andon.guard.memory import MemoryLog
from tests.andon.guarding import NOON, REASON, bench, command

RUNS = [State.CLOSED, State.METRICS_ONLY, State.DISABLED]
REFUSES = [State.OPEN, State.FORCED_OPEN]


def act(guard: Guard) -> bool:
    """Whether an action ran."""
    try:
        with guard.attempt("transact", "refund.create", value=5, currency="USD"):
            return True
    except BreakerOpen:
        return False


@pytest.mark.parametrize("state", RUNS)
def test_lets_actions_through(state: State) -> None:
    with bench() as desk:
        desk.obey(state)
        assert act(desk.guard)
        desk.guard.check()
        assert desk.guard.state == (state, 1)
        assert desk.event().outcome is Outcome.SUCCESS


@pytest.mark.parametrize("state", REFUSES)
def test_refuses_and_tells_so(state: State) -> None:
    with bench() as desk:
        ran: list[int] = []
        refund = desk.guard.action("transact", "refund.create", value="amount", currency="USD")(
            lambda amount: ran.append(amount)
        )
        desk.obey(state, generation=7)
        with pytest.raises(BreakerOpen) as caught:
            refund(25)
        assert ran == []
        error = caught.value
        assert (error.workflow, error.reason, error.generation) == ("refunds", REASON, 7)
        assert error.since == NOON
        assert "Resume with: andon reset refunds --reason" in error.resume
        assert error.resume in str(error)
        event = desk.event()
        assert (event.outcome, event.reason) == (Outcome.DENIED, "paused, generation 7")
        assert (event.value, event.currency) == (25.0, "USD")
        assert desk.counted("actions") == {"denied": 1}
        assert desk.guard.stats()["andon_guard_state"] == list(State).index(state)


def test_check_asks_without_telling() -> None:
    with bench() as desk:
        desk.guard.check()
        desk.obey(State.OPEN)
        with pytest.raises(BreakerOpen):
            desk.guard.check()
        assert desk.events() == []


def test_runs_again_when_it_is_told_so() -> None:
    with bench() as desk:
        desk.obey(State.OPEN, 1)
        assert not act(desk.guard)
        desk.obey(State.CLOSED, 2)
        assert act(desk.guard)


def test_acknowledges_each_generation_once_with_what_still_runs() -> None:
    with bench() as desk:
        with desk.guard.attempt("transact", "refund.create"):
            desk.obey(State.OPEN, 3)
            desk.obey(State.FORCED_OPEN, 4)
        desk.obey(State.CLOSED, 5)
        acks = desk.stream.acks
        assert [(ack.generation, ack.in_flight) for ack in acks] == [(3, 1), (4, 1), (5, 0)]
        assert {(ack.workflow, ack.automation, ack.guard) for ack in acks} == {
            ("refunds", "refund-bot", desk.guard.id)
        }


# --- on trial ----------------------------------------------------------------------------------


def test_on_trial_as_many_actions_run_as_there_are_permits() -> None:
    with bench() as desk:
        desk.obey(State.HALF_OPEN, permits=2)
        desk.guard.check()
        assert [act(desk.guard) for _ in range(4)] == [True, True, False, False]
        with pytest.raises(BreakerOpen, match=r"on trial.*used its 2 permits"):
            desk.guard.check()
        assert desk.events()[3].reason == "on trial, no permit left, generation 1"


def test_on_trial_without_a_number_all_actions_run() -> None:
    with bench() as desk:
        desk.obey(State.HALF_OPEN)
        assert all(act(desk.guard) for _ in range(20))


def test_each_generation_has_permits_of_its_own() -> None:
    with bench() as desk:
        desk.obey(State.HALF_OPEN, 1, permits=1)
        assert [act(desk.guard), act(desk.guard)] == [True, False]
        desk.obey(State.HALF_OPEN, 2, permits=1)
        assert [act(desk.guard), act(desk.guard)] == [True, False]


def test_permits_hold_among_many_threads() -> None:
    with bench() as desk:
        desk.obey(State.HALF_OPEN, permits=50)
        ran: list[bool] = []
        start = threading.Barrier(20)

        def work() -> None:
            start.wait()
            ran.extend(act(desk.guard) for _ in range(20))

        threads = [threading.Thread(target=work) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (ran.count(True), ran.count(False)) == (50, 350)


# --- order, expiry, what is not known ----------------------------------------------------------


def test_older_generations_change_nothing() -> None:
    gate = Gate("refunds", "open", lambda: NOON)
    gate.hears(True)
    assert gate.obey(command("refunds", 5, State.OPEN))
    assert not gate.obey(command("refunds", 4, State.CLOSED))
    assert not gate.obey(command("refunds", 5, State.CLOSED))
    assert gate.state == (State.OPEN, 5)
    assert gate.barred
    assert gate.obey(command("refunds", 6, State.CLOSED))
    assert not gate.barred


def test_late_start_obeys_the_newest_of_the_past_alone() -> None:
    stream = MemoryTransport()
    for generation, state in enumerate([State.OPEN, State.CLOSED, State.FORCED_OPEN], start=1):
        stream.log.append(command("refunds", generation, state))
    stream.log.append(command("other", 9, State.CLOSED))
    with Guard("refunds", "refund-bot", transport=stream) as guard:
        assert guard.ready(5)
        assert not act(guard)
        assert guard.flush(5)
        assert [ack.generation for ack in stream.acks] == [3]


def test_late_start_obeys_the_first_of_two_commands_of_one_generation() -> None:
    stream = MemoryTransport()
    stream.log += [command("refunds", 1, State.OPEN), command("refunds", 1, State.CLOSED)]
    with Guard("refunds", "refund-bot", transport=stream) as guard:
        assert guard.ready(5)
        assert not act(guard)


@pytest.mark.parametrize("state", REFUSES)
def test_a_pause_holds_past_its_time_until_a_command_ends_it(state: State) -> None:
    now = [NOON]
    gate = Gate("refunds", "open", lambda: now[0])
    gate.hears(True)
    until = NOON + timedelta(hours=1)
    gate.obey(command("refunds", 3, state, expires_at=until))
    refusal = gate.judge(take=True)
    assert refusal is not None
    assert "its trial at 2026-11-23T13:00:00.000Z" in refusal.error.resume
    now[0] = until + timedelta(days=1)
    assert gate.judge(take=True) is not None
    assert gate.state == (state, 3)


@pytest.mark.parametrize("state", [state for state in State if not state.refuses])
def test_what_lifts_a_pause_does_not_once_its_own_time_is_over(state: State) -> None:
    gate = Gate("refunds", "open", lambda: NOON)
    gate.hears(True)
    gate.obey(command("refunds", 3, State.OPEN))
    assert not gate.obey(command("refunds", 4, state, expires_at=NOON))
    assert gate.state == (State.OPEN, 3)
    assert gate.obey(command("refunds", 4, state, expires_at=NOON + timedelta(seconds=1)))
    assert gate.state == (state, 4)


def test_clock_of_the_application_rules_events_and_acks() -> None:
    then = datetime(2026, 3, 14, 3, tzinfo=UTC)
    with bench(clock=lambda: then) as desk:
        desk.obey(State.OPEN)
        assert not act(desk.guard)
        assert desk.stream.acks[0].applied_at == then
        assert desk.event().ts == then


class Deaf(MemoryTransport):
    """A stream whose log of commands cannot be opened until `heard` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = threading.Event()

    def read(self, topic: str) -> MemoryLog:
        if not self.heard.is_set():
            raise ConnectionError("no broker")
        return super().read(topic)


def test_fail_open_runs_while_nothing_is_known() -> None:
    with Guard("refunds", "refund-bot", transport=Deaf(), fail="open") as guard:
        assert not guard.ready(0.05)
        assert act(guard)
        stats = guard.stats()
        assert stats["andon_guard_connected"] == 0
        assert stats["andon_guard_stale_total"] == {"ran": 1, "refused": 0}


@pytest.mark.parametrize(
    ("capability", "recipients", "runs"),
    [("transact", None, False), ("send", 6, False), ("send", 5, True), ("update", None, True)],
)
def test_by_default_money_and_large_sends_wait_for_a_known_state(
    capability: str, recipients: int | None, runs: bool
) -> None:
    stream = Deaf()
    limits = {"name": "mail", "mode": "shadow", "limits": [{"recipients": 5}]}
    with Guard("refunds", "refund-bot", transport=stream, policy=limits) as guard:

        def act() -> bool:
            try:
                with guard.attempt(capability, "act", recipients=recipients):
                    return True
            except BreakerOpen:
                return False

        assert act() is runs
        assert guard.stats()["andon_guard_stale_total"] == {"ran": runs, "refused": not runs}
        stream.heard.set()
        assert guard.ready(10)
        assert act()
        assert guard.stats()["andon_guard_stale_total"] == {"ran": runs, "refused": not runs}


class Slow(MemoryTransport):
    """A stream that takes its time to open the log of commands."""

    def read(self, topic: str) -> MemoryLog:
        time.sleep(0.3)
        return super().read(topic)


def test_first_action_waits_until_the_state_is_known() -> None:
    stream = Slow()
    stream.log.append(command("refunds", 1, State.OPEN))
    with Guard("refunds", "refund-bot", transport=stream) as guard:
        assert not act(guard)
        assert guard.state.generation == 1
        assert guard.stats()["andon_guard_stale_total"] == {"ran": 0, "refused": 0}


def test_what_is_known_is_good_for_a_while_after_the_broker_was_lost() -> None:
    patient = Gate("refunds", "careful", lambda: NOON, stale_after_s=60)
    strict = Gate("refunds", "careful", lambda: NOON, stale_after_s=0)
    for gate in (patient, strict):
        gate.hears(True)
        assert not gate.barred
        gate.hears(False)
        assert gate.judge(take=True) is None
    assert patient.judge(take=True, careful=True) is None
    refusal = strict.judge(take=True, careful=True)
    assert refusal is not None
    assert refusal.stale


def test_fail_closed_refuses_until_commands_are_heard() -> None:
    stream = Deaf()
    with Guard("refunds", "refund-bot", transport=stream, fail="closed") as guard:
        with pytest.raises(BreakerOpen, match=r"not known.*fails closed.*when a broker answers"):
            guard.check()
        assert not act(guard)
        stream.heard.set()
        assert guard.ready(10)
        assert act(guard)
        assert guard.flush(5)
    assert [event.reason for event in stream.events] == ["state not known", None]
    assert not act(guard)


def test_losing_the_broker_lifts_no_pause() -> None:
    gate = Gate("refunds", "open", lambda: NOON)
    gate.hears(True)
    gate.obey(command("refunds", 1, State.OPEN))
    gate.hears(False)
    assert gate.barred
    assert gate.judge(take=True) is not None


def test_guard_shows_its_state_and_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with bench() as desk:
        desk.obey(State.OPEN)
        assert repr(desk.guard) == "<Guard of 'refund-bot' in 'refunds': Paused>"
        assert not act(desk.guard)
    assert capfd.readouterr() == ("", "")
