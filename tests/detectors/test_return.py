"""How a paused workflow comes back: a trial, a limited rate, and longer waits for a relapse."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from andon.alert_text import alert_text
from andon.breaker import Cause, State
from andon.commands import Command, Reason
from andon.policy import PolicyBook
from detectors.columns import Records
from detectors.effects import Effects
from detectors.line import Line
from detectors.plan import compile_book
from tests.eventlog import START, book, line

USD = {"currency": "USD"}
MONEY = {"name": "money", "rate": "value", "over": "1h", "at_least": 100, **USD}
TRIAL = {"permits": 2, "every": "30s", "pass": 2}
SLOW = {"permits": 30, "for": "10m"}
M = 60.0


def policy(**recover: Any) -> PolicyBook:
    return book(MONEY, recover={"after": "15m", "trial": TRIAL} | recover)


def spend(at: float, value: float = 1, **fields: Any) -> bytes:
    return line(f"at {at}", at, value=value, **USD, **fields)


def effects_of(policies: PolicyBook, *log: bytes) -> Effects:
    return Line(compile_book(policies)).take(Records(list(log))).effects


def seconds(command: Command) -> float:
    return (command.issued_at - START) / timedelta(seconds=1)


def test_a_passed_trial_goes_on_at_a_limited_rate_and_then_freely() -> None:
    log = [spend(0, 100), *map(spend, (15 * M, 15 * M + 1, 15 * M + 2, 25 * M, 25 * M + 2))]
    effects = effects_of(policy(slow=SLOW), *log)
    told = [(c.generation, c.cause, c.state, c.permits, seconds(c)) for c in effects.commands]
    assert told == [
        (1, Cause.DETECTION, State.OPEN, None, 0),
        (2, Cause.WAITED, State.HALF_OPEN, 2, 15 * M),
        (3, Cause.LIMITED, State.HALF_OPEN, 30, 15 * M + 2),
        (4, Cause.ELAPSED, State.CLOSED, None, 25 * M + 2),
    ]
    _, trial, limited, free = effects.commands
    assert (trial.permits_every_s, trial.limited_until) == (30, None)
    assert limited.permits_every_s == 60
    assert limited.limited_until == START + timedelta(seconds=25 * M + 2)
    assert limited.reason.text == "2 good actions on trial; limited to 30 in 1m, for 10m"
    assert free.reason.text == "ran at a limited rate for 10m"
    assert [alert.kind for alert in effects.alerts] == ["paused", "on_trial", "on_trial", "resumed"]
    assert "limited to 30 in 1m, for 10m" in effects.alerts[2].title


def test_a_detection_at_a_limited_rate_pauses_again() -> None:
    log = [spend(0, 100), *map(spend, (15 * M, 15 * M + 1, 15 * M + 2)), spend(20 * M, 97)]
    *_, limited, again = effects_of(policy(slow=SLOW), *log).commands
    assert (limited.cause, again.cause) == (Cause.LIMITED, Cause.DETECTION)
    assert again.reason.observed == 100, "the actions of the trial count"


def test_the_event_with_which_a_limited_rate_ends_may_pause_a_workflow_that_runs() -> None:
    log = [spend(0, 100), *map(spend, (15 * M, 15 * M + 1, 15 * M + 2)), spend(26 * M, 97)]
    *_, free, again = effects_of(policy(slow=SLOW), *log).commands
    assert (free.cause, again.cause) == (Cause.ELAPSED, Cause.DETECTION)
    assert (again.previous, again.generation) == (State.CLOSED, free.generation + 1)


def test_without_a_longest_wait_all_pauses_are_alike() -> None:
    log = [spend(0, 100), spend(15 * M, 100), spend(30 * M, 100)]
    effects = effects_of(policy(), *log)
    moves = [(c.state, c.trips, seconds(c)) for c in effects.commands]
    assert moves == [
        (State.OPEN, None, 0),
        (State.HALF_OPEN, None, 15 * M),
        (State.OPEN, None, 15 * M),
        (State.HALF_OPEN, None, 30 * M),
        (State.OPEN, None, 30 * M),
    ]


def test_pauses_in_a_row_last_longer_up_to_the_longest() -> None:
    relapses = [0, 15 * M, 45 * M, 85 * M, 125 * M]  # waits of 15, 30, and 40 minutes at the most
    log = [(at, 100.0) for at in relapses] + [(at - 1, 1.0) for at in relapses[1:]]
    effects = effects_of(policy(after_max="40m"), *(spend(*one) for one in sorted(log)))
    trips = [command for command in effects.commands if command.cause is Cause.DETECTION]
    assert [command.trips for command in trips] == [1, 2, 3, 4, 5]
    tried = [c for c in effects.commands if c.cause is Cause.WAITED]
    assert list(map(seconds, tried)) == relapses[1:]
    assert [c.reason.text for c in tried] == [f"paused for {m}m" for m in (15, 30, 40, 40)]
    paused = [alert for alert in effects.alerts if alert.kind == "paused"]
    assert "in a row" not in alert_text(paused[0])
    assert "pause 3 in a row, tried again after 40m" in alert_text(paused[2])


def test_time_in_health_makes_the_next_wait_shorter() -> None:
    passing = [15 * M, 15 * M + 1, 15 * M + 2]
    log = [spend(0, 100), *map(spend, passing)]
    freed = passing[-1]
    for healthy, in_a_row in ((1, 2), (15 * M - 1, 2), (15 * M, 1), (600 * M, 1)):
        *_, again = effects_of(policy(after_max="2h"), *log, spend(freed + healthy, 100)).commands
        assert (again.cause, again.trips) == (Cause.DETECTION, in_a_row), healthy


def a_person(generation: int, state: State, at: float, **fields: Any) -> Command:
    return Command(
        command_id=f"c{generation}",
        workflow="refunds",
        generation=generation,
        state=state,
        reason=Reason(text="it is fixed"),
        issued_at=START + timedelta(seconds=at),
        issued_by="user:ana",
        **fields,
    )


@pytest.mark.parametrize("replayed", [False, True])
@pytest.mark.parametrize("way", ["waited", "reset", "release", "reset by hand"])
def test_after_each_way_back_only_later_events_count(way: str, replayed: bool) -> None:
    """Also through the phases of the trial: what came since its beginning counts on."""
    line_ = Line(compile_book(policy(slow=SLOW)))
    moves: list[Command] = []

    def take(*records: bytes) -> None:
        moves.extend(line_.take(Records(list(records))).effects.commands)

    def person(generation: int, state: State, at: float, **fields: Any) -> None:
        moves.append(a_person(generation, state, at, **fields))
        line_.obey(moves[-1])

    log = [spend(0, 100), spend(1, 50)]
    take(*log)
    if way == "reset by hand":
        person(2, State.FORCED_OPEN, 15 * M - 2)
    generation = moves[-1].generation + 1
    if way in ("reset", "reset by hand"):
        person(generation, State.HALF_OPEN, 15 * M - 1, permits=10)
    elif way == "release":
        person(generation, State.CLOSED, 15 * M - 1)
    back = [spend(15 * M + n, 20) for n in range(4)]  # 80 since it came back
    take(*back)
    states = [(move.state, move.limited_until is not None) for move in moves]
    assert states[-1] == ((State.CLOSED, False) if way == "release" else (State.HALF_OPEN, True))
    if replayed:
        line_ = again(policy(slow=SLOW), [*log, *back], moves)
    take(spend(16 * M, 19))
    assert not moves[-1].state.refuses, "99 since it came back"
    take(spend(17 * M, 1))
    assert moves[-1].state is State.OPEN
    assert moves[-1].reason.observed == 100


def again(policies: PolicyBook, log: list[bytes], moves: list[Command]) -> Line:
    """A line that has only read what was written: events, and commands between them."""
    by_time = (Cause.WAITED, Cause.ELAPSED)
    line_ = Line(compile_book(policies))
    todo = list(moves)
    for offset, record in enumerate(log):
        at = START + timedelta(seconds=float(record.split(b'"')[3][3:]))
        while todo and (
            (todo[0].cause in by_time and todo[0].issued_at <= at) or todo[0].issued_at < at
        ):
            line_.obey(todo.pop(0))
        line_.replay(Records([record], offsets=range(offset, offset + 1)))
    for command in todo:
        line_.obey(command)
    return line_
