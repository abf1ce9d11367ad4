"""The closed loop by hand: facts with their times go in, what has come about comes out."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from andon.breaker import State
from andon.commands import Ack, Alert, Command, Heartbeat
from andon.permits import Permits
from detectors.effects import Leak
from detectors.times import micros
from streams.closed_loop import ClosedLoop, Fact, Guards, NotObeyed, Obeyed
from streams.pauses import not_obeyed, obeyed, policy_of
from tests.andon.guarding import NOON, command
from tests.andon.records import ALERT
from tests.eventlog import book_of

GRACE_S = 10.0


def at(second: float) -> datetime:
    return NOON + timedelta(seconds=second)


class Bench:
    """The loop of one workflow, `refunds`, in partition 2. All times are seconds after noon."""

    def __init__(self, since: float = -3600) -> None:
        self.loop = ClosedLoop(at(since))

    def command(self, second: float, generation: int = 1, **fields: Any) -> None:
        state = fields.pop("state", State.OPEN)
        self._take(command("refunds", generation, state, **fields), second)

    def ack(self, second: float, guard: str, generation: int = 1) -> None:
        ack = Ack(
            workflow="refunds",
            generation=generation,
            guard=guard,
            automation="bot",
            applied_at=at(second),
        )
        self._take(ack, second)

    def beats(
        self, guard: str, *seconds: float, generation: int = 0, leaving: bool = False
    ) -> None:
        for second in seconds:
            beat = Heartbeat(
                workflow="refunds",
                guard=guard,
                automation="bot",
                at=at(second),
                generation=generation,
                state=State.CLOSED,
                leaving=leaving,
            )
            self._take(beat, second)

    def leak(self, second: float, generation: int = 1, value: float | None = None) -> None:
        currency = None if value is None else "usd"
        leak = Leak("refunds", generation, micros(at(second)), f"e{second}", "bot", value, currency)
        self.loop.leak(leak)

    def look(self, second: float, *mine: int) -> list[Obeyed | NotObeyed]:
        grace = timedelta(seconds=GRACE_S)
        return list(self.loop.look(at(second), set(mine or (2,)), lambda _: grace))

    def guards(self, second: float) -> Guards | None:
        return self.loop.guards(at(second)).get("refunds")

    def _take(self, record: Command | Ack | Heartbeat | Permits | Alert, second: float) -> None:
        self.loop.take(Fact(record, at(second), 2))


def test_the_time_to_pause_ends_with_the_last_ack_of_a_live_guard() -> None:
    bench = Bench()
    for guard in "abc":
        bench.beats(guard, -7, -2)
    bench.command(0)
    assert bench.guards(0.1) == Guards(3, 3)
    bench.ack(0.25, "a")
    bench.ack(0.5, "b")
    assert bench.look(1) == []
    assert bench.guards(1) == Guards(3, 1)
    bench.ack(1.5, "c")
    (effect,) = bench.look(2)
    assert isinstance(effect, Obeyed)
    assert (effect.guards, effect.seconds, effect.at) == (3, 1.5, at(1.5))
    assert bench.look(2) == bench.look(60) == []
    assert bench.guards(2) == Guards(3, 0)
    assert obeyed(effect).reason.text == "all 3 guards obey 1.500 s after the command"


def test_a_guard_that_was_killed_is_not_waited_for() -> None:
    bench = Bench()
    bench.beats("alive", -1, 4, 9, 14)
    bench.beats("killed", -4)
    bench.command(0)
    bench.ack(0.2, "alive")
    assert bench.look(10) == []  # it may still answer
    (effect,) = bench.look(11.5)  # more than three heartbeats missed
    assert isinstance(effect, Obeyed)
    assert (effect.guards, effect.seconds) == (1, 0.2)
    assert bench.look(60) == []


@pytest.mark.parametrize("leaves_at", [-1, 3])
def test_a_guard_that_said_goodbye_is_not_waited_for(leaves_at: float) -> None:
    bench = Bench()
    bench.beats("gone", -4)
    bench.beats("gone", leaves_at, leaving=True)
    bench.beats("here", -1)
    bench.command(0)
    bench.ack(0.2, "here")
    (effect,) = bench.look(4)
    assert isinstance(effect, Obeyed)
    assert effect.guards == 1


def test_a_guard_that_starts_later_does_not_lengthen_the_pause() -> None:
    bench = Bench()
    bench.beats("early", -1)
    bench.command(0)
    bench.ack(3600, "late")
    bench.beats("late", 3601, generation=1)
    bench.ack(0.2, "early")
    assert [effect.seconds for effect in bench.look(4) if isinstance(effect, Obeyed)] == [0.2]


def test_a_live_guard_without_an_answer_is_told_once_after_the_grace_time() -> None:
    bench = Bench()
    bench.beats("deaf", -1, 4, 9)
    bench.command(0)
    assert bench.look(10.5) == []  # it has shown no life since the grace time
    bench.beats("deaf", 11)
    (effect,) = bench.look(11.5)
    assert isinstance(effect, NotObeyed)
    assert (effect.silent, effect.leaked.events) == (("deaf (bot)",), 0)
    bench.beats("deaf", 16, 21)
    assert bench.look(22) == []
    assert bench.guards(22) == Guards(1, 1)
    bench.command(30, 2, state=State.FORCED_OPEN)
    bench.beats("deaf", 41)
    assert [type(each) for each in bench.look(42)] == [NotObeyed]  # another pause, not obeyed


def test_a_heartbeat_with_the_generation_is_an_answer_too() -> None:
    bench = Bench()
    bench.beats("a", -1)
    bench.command(0)
    bench.beats("a", 4, 9, 14, generation=1)
    assert bench.look(15) == []
    assert bench.guards(15) == Guards(1, 0)


def test_a_leak_within_the_grace_time_is_none_of_disobedience() -> None:
    bench = Bench()
    bench.command(0)
    bench.leak(9.9, value=10)
    assert bench.look(60) == []


def test_actions_that_go_on_are_told_once_with_their_money() -> None:
    bench = Bench()
    bench.leak(2, value=10)
    bench.command(0)  # the log of commands is read after the events
    bench.leak(5)
    assert bench.look(6) == []
    bench.leak(12, value=20.5)
    (effect,) = bench.look(12.5)
    assert isinstance(effect, NotObeyed)
    leaked = effect.leaked
    assert (leaked.events, leaked.value, leaked.automations) == (3, {"USD": 30.5}, {"bot"})
    assert leaked.event_ids == ["e2", "e5", "e12"]
    bench.leak(13)
    assert bench.look(20) == []

    policies = book_of({"name": "money", "match": {"workflow": "ref*"}, "rules": []})
    audit, alert = not_obeyed(effect, at(12.5), policy_of(policies, effect.command))
    text = "3 actions ($30.50 USD) by bot after the pause"
    assert (audit.kind, audit.reason and audit.reason.text) == ("not-obeyed", text)
    assert alert.title == f"refunds does not obey its pause: {text}"
    assert (alert.kind, alert.generation, alert.reason.policy) == ("not_obeyed", 1, "money")
    again, _ = not_obeyed(effect, at(99), None)
    assert again.audit_id == audit.audit_id


def test_leaks_of_an_earlier_pause_do_not_count_for_the_next() -> None:
    bench = Bench()
    bench.command(0)
    bench.leak(5)
    bench.command(6, 2, state=State.CLOSED)
    bench.command(7, 3)
    assert bench.look(60) == []
    bench.leak(18, 3)
    (effect,) = bench.look(60)
    assert isinstance(effect, NotObeyed)
    assert effect.leaked.events == 1


def test_what_was_told_before_a_restart_is_not_told_again() -> None:
    bench = Bench(since=20)
    bench.command(0)
    alert = Alert.model_validate(ALERT | {"kind": "not_obeyed", "generation": 1})
    bench.loop.take(Fact(alert, at(12), 2))
    bench.beats("deaf", 19, 24)
    bench.leak(25)
    assert bench.look(26) == []


def test_what_was_measured_before_a_restart_is_not_measured_again() -> None:
    bench = Bench(since=20)
    bench.beats("a", -1)
    bench.command(0)
    bench.ack(0.2, "a")
    assert bench.look(21) == []


def test_only_the_worker_of_the_partition_answers_for_guards_and_any_that_sees_leaks() -> None:
    bench = Bench()
    bench.beats("a", -1)
    bench.command(0)
    bench.ack(0.2, "a")
    bench.beats("deaf", -1, 11)
    assert bench.look(12, 0, 1) == []
    bench.leak(11)
    assert [type(each) for each in bench.look(12, 0, 1)] == [NotObeyed]


@pytest.mark.parametrize(
    "over",
    [{"state": State.CLOSED}, {"state": State.HALF_OPEN}],
    ids=["released", "on trial"],
)
def test_what_is_no_pause_asks_for_nothing(over: dict[str, Any]) -> None:
    bench = Bench()
    bench.beats("deaf", -1, 11)
    bench.command(0, **over)
    bench.leak(12)
    assert bench.look(13) == []
    assert bench.guards(13) == Guards(1, 0)


def of_scope(bench: Bench, scope: str, second: float) -> None:
    bench._take(command(scope, 1, State.FORCED_OPEN), second)


@pytest.mark.parametrize("scope", ["andon:all", "andon:automation:bot", "andon:target:stripe"])
def test_a_scope_waits_for_the_guards_of_workflows(scope: str) -> None:
    bench = Bench()
    for guard in "ab":
        bench.beats(guard, -5, 0, 5, generation=9)  # of its workflow
    of_scope(bench, scope, 1)
    assert bench.look(2) == []
    for second, guard in ((3, "a"), (4, "b")):
        assert bench.look(second) == []
        ack = Ack(
            workflow=scope, generation=1, guard=guard, automation="bot", applied_at=at(second)
        )
        bench._take(ack, second)
    (found,) = bench.look(5)
    assert isinstance(found, Obeyed)
    assert (found.guards, found.seconds) == (2, 3.0)
    assert bench.loop.guards(at(5))[scope] == Guards(2, 0)


def test_a_scope_is_not_obeyed_where_a_guard_is_silent() -> None:
    bench = Bench()
    bench.beats("a", -5, 0, 5, 10, 15)
    of_scope(bench, "andon:all", 1)
    of_scope(bench, "andon:automation:other", 1)
    (found,) = bench.look(16)
    assert isinstance(found, NotObeyed)
    assert found.command.workflow == "andon:all"
    assert found.silent == ("a (bot)",)


# --- on trial ----------------------------------------------------------------------------------


def dealt(bench: Bench, second: float, *mine: int) -> list[tuple[int, int, dict[str, int]]]:
    found = bench.loop.deals(at(second), set(mine or (2,)))
    return [(each.generation, each.period, each.grants) for each in found]


def on_trial(bench: Bench, second: float = 0, **fields: Any) -> None:
    more = {"state": State.HALF_OPEN, "permits": 5, "permits_every_s": 10}
    bench.command(second, **(more | fields))


def test_permits_are_dealt_at_once_and_then_once_a_period() -> None:
    bench = Bench()
    bench.beats("a", -1, 4, 9, 14, 19)
    bench.beats("b", -1, 4, 9, 14, 19)
    assert dealt(bench, 0) == []
    on_trial(bench)
    assert dealt(bench, 0.1) == [(1, 0, {"a": 3, "b": 2})]
    assert dealt(bench, 0.2) == dealt(bench, 9.9) == []
    assert dealt(bench, 10) == [(1, 1, {"a": 3, "b": 2})]
    assert dealt(bench, 25) == [(1, 2, {"a": 3, "b": 2})]
    bench.command(26, 2, state=State.CLOSED)
    assert dealt(bench, 31) == []


def test_those_that_were_turned_away_get_more_and_the_dead_nothing() -> None:
    bench = Bench()
    for guard, wants in (("a", 0), ("b", 4)):
        beat = Heartbeat(
            workflow="refunds",
            guard=guard,
            automation="bot",
            at=NOON,
            generation=1,
            state=State.HALF_OPEN,
            wants=wants,
        )
        bench._take(beat, 1)
    bench.beats("dead", -20)
    bench.beats("left", 1, leaving=True)
    on_trial(bench)
    assert dealt(bench, 2) == [(1, 0, {"b": 4, "a": 1})]


def test_where_nobody_lives_the_permits_wait_for_the_first_that_does() -> None:
    bench = Bench()
    on_trial(bench)
    assert dealt(bench, 3) == []
    bench.beats("a", 4)
    assert dealt(bench, 4.1) == [(1, 0, {"a": 5})]


def test_a_monitor_that_starts_again_does_not_deal_a_period_twice() -> None:
    before, after = Bench(), Bench()
    for bench in (before, after):
        bench.beats("a", -1, 9)
        on_trial(bench)
    (permits,) = before.loop.deals(at(1), {2})
    after._take(permits, 1)
    assert dealt(after, 2) == []
    assert dealt(after, 11) == [(1, 1, {"a": 5})]


@pytest.mark.parametrize(
    "over", [{"permits": None}, {"state": State.OPEN}, {"expires_at": NOON}, {"state": "CLOSED"}]
)
def test_nothing_is_dealt_where_no_trial_is_limited(over: dict[str, Any]) -> None:
    bench = Bench()
    bench.beats("a", -1)
    on_trial(bench, **over)
    assert dealt(bench, 1) == []


def test_another_worker_deals_for_its_own_partitions() -> None:
    bench = Bench()
    bench.beats("a", -1)
    on_trial(bench)
    assert dealt(bench, 1, 0, 1) == []
