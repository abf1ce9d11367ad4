"""The breaker on the breaker: so many workflows are paused at once, and then people are asked."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.breaker import State
from andon.commands import Alert, Audit, Command, Reason
from andon.policy import PolicyBook
from detectors.columns import Records
from detectors.line import Line
from detectors.plan import compile_book
from detectors.snapshot import line_of, snapshot_of
from tests.detectors.test_properties import written
from tests.eventlog import START, book_of, line
from tests.wild import a_wild_log

RULE = {"name": "errors", "rate": "error", "over": "1h", "above": "0%"}
RECOVER = {"after": "manual", "trial": {"permits": 2, "pass": 2}}


def a_book(**auto_pause: Any) -> PolicyBook:
    policy = {"name": "all", "rules": [RULE], "recover": RECOVER}
    return book_of(policy, auto_pause=auto_pause)


def failing(*workflows: str, at: float = 100) -> list[bytes]:
    """Each of them fails once, a second after the other."""
    return [
        line(f"bad-{name}-{at}", at + n, workflow=name, outcome="error")
        for n, name in enumerate(workflows)
    ]


def named(count: int, start: int = 0) -> list[str]:
    return [f"w{n}" for n in range(start, start + count)]


def healthy(count: int) -> list[bytes]:
    return [line(f"good-{name}", n / 100, workflow=name) for n, name in enumerate(named(count))]


def held(line_: Line, log: list[bytes]) -> tuple[list[str], list[Audit], list[Alert]]:
    """Who was paused, what was held back, and what people were told of that."""
    effects = line_.take(Records(log)).effects
    paused = [each.workflow for each in effects.commands if each.state is State.OPEN]
    audits = [each for each in effects.audits if each.kind == "held-back"]
    assert [each.workflow for each in audits] == [each.workflow for each in effects.held_back]
    return paused, audits, [each for each in effects.alerts if each.kind == "held_back"]


@pytest.mark.parametrize(
    ("live", "given", "most"),
    [
        (100, {"share": "20%", "min": 5}, 20),
        (100, {"share": 0.2, "min": 50}, 50),
        (6, {"share": "20%", "min": 5}, 5),  # however few there are
        (30, {"share": "100%", "min": 0}, 30),
        (60, {"share": "20%"}, 12),
        (30, {"share": "20%"}, 10),
        (30, {}, 30),  # nothing is said: no bound
    ],
)
def test_a_share_of_those_that_live_is_paused_and_no_more(
    live: int, given: dict[str, Any], most: int
) -> None:
    paused, audits, _ = held(
        Line(compile_book(a_book(**given))), healthy(live) + failing(*named(live))
    )
    assert paused == named(most)
    assert [each.workflow for each in audits] == named(live - most, most)


def test_what_is_held_back_runs_on_and_is_audited_with_its_reason() -> None:
    line_ = Line(compile_book(a_book(share="1%", min=1)))
    log = [*failing("a"), line("b1", 150, workflow="b", value=30, currency="USD")]
    _, (audit,), (alert,) = held(line_, log + failing("b", at=200))
    assert line_.standings.of("b").state is State.CLOSED
    assert audit.reason is not None
    assert (audit.workflow, audit.reason.rule, audit.reason.observed) == ("b", "errors", 0.5)
    assert alert.severity == "critical"
    assert "b (errors: error rate 50% in 1h, bound 0%, $30 USD moved)" in alert.reason.text
    assert alert.title.startswith("Pauses held back: 1 workflow goes on beyond a bound: b (errors")
    assert "1 of 2 were paused within 10m; the most is 1% within 10m" in alert.reason.text
    assert alert.resume.startswith("andon held-back --pause")


def test_people_are_told_once_and_again_where_it_has_become_ten_times_as_many() -> None:
    line_ = Line(compile_book(a_book(share="1%", min=1)))
    told = [held(line_, failing(name, at=100 + n))[2] for n, name in enumerate(named(30))]
    assert [n for n, alerts in enumerate(told) if alerts] == [1, 10]
    assert told[10][0].reason.text.count("(errors: ") == 10
    # The same workflow by another rule, or once more, is nothing new.
    assert held(line_, [line("again", 140, workflow="w3"), *failing("w3", at=141)])[2] == []


def test_after_the_window_pauses_go_on_and_people_are_told_anew() -> None:
    line_ = Line(compile_book(a_book(share="1%", min=1, over="2m")))
    assert held(line_, failing("a", "b", at=0))[0] == ["a"]
    assert held(line_, failing("c", at=119))[0] == []
    assert held(line_, failing("d", at=120))[0] == ["d"]  # `(t - over, t]`: a is out
    assert held(line_, failing("e", at=121))[2] == []  # c is still in the window
    assert len(held(line_, failing("d2", at=241))[2]) == 0  # room: d is out
    assert len(held(line_, failing("f", at=300))[2]) == 1


def test_pauses_by_people_do_not_count_and_need_no_room() -> None:
    line_ = Line(compile_book(a_book(share="1%", min=1)))
    held(line_, healthy(3))
    for name in ("w0", "w1"):
        line_.obey(command(name, State.FORCED_OPEN, 1, by="user:ana"))
    assert held(line_, failing("w2"))[0] == ["w2"]


def test_one_that_fails_on_trial_is_paused_again_in_any_case() -> None:
    line_ = Line(compile_book(a_book(share="1%", min=1, over="2m")))
    held(line_, failing("a", at=0))
    held(line_, failing("b", at=200))
    line_.obey(command("a", State.HALF_OPEN, 2, at=201, by="user:ana"))
    assert held(line_, failing("a", at=210))[0] == ["a"]


def test_a_workflow_that_counts_already_takes_no_more_room() -> None:
    line_ = Line(compile_book(a_book(share="1%", min=2)))
    assert held(line_, failing("a", "b"))[0] == ["a", "b"]
    line_.obey(command("a", State.CLOSED, 2, at=150, by="user:ana"))
    assert held(line_, failing("a", at=160))[0] == ["a"]


def test_shadow_policies_hold_nothing_back() -> None:
    policy = {"name": "all", "rules": [RULE], "mode": "shadow"}
    line_ = Line(compile_book(book_of(policy, auto_pause={"share": "1%", "min": 0})))
    assert held(line_, failing("a", "b")) == ([], [], [])


MANY = book_of(
    {
        "name": "all",
        "rules": [
            {"name": "errors", "rate": "error", "over": "5m", "above": "30%", "min": 3},
            {"name": "again", "rate": "duplicate", "over": "2m", "at_least": 3, "same": ["target"]},
        ],
        "recover": {"after": "2m", "trial": {"permits": 2, "pass": 2}},
    },
    auto_pause={"share": "10%", "over": "5m", "min": 1},
)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), st.sets(st.integers(1, 399), max_size=8))
def test_a_line_that_reads_the_log_again_goes_on_as_one_that_never_stopped(
    seed: int, breaks: set[int]
) -> None:
    """By commands at their place, as a monitor that takes over does, and by snapshots."""
    log, compiled = a_wild_log(random.Random(seed), named(12), 400), compile_book(MANY)
    whole, pieces = Line(compiled), Line(compiled)
    effects, again, moves = [], [], list[tuple[int, Command]]()
    for offset, record in enumerate(log):
        if offset in breaks:
            pieces = line_of(compiled, snapshot_of(pieces))
            rebuilt = rebuild(log[:offset], moves)
            assert rebuilt.standings.auto_pauses.dump() == pieces.standings.auto_pauses.dump()
        taken = whole.take(Records([record], offsets=[offset])).effects
        effects.append(taken)
        again.append(pieces.take(Records([record], offsets=[offset])).effects)
        moves += [(offset, command) for command in taken.commands]
    assert written(again) == written(effects)
    assert any(each.held_back for each in effects)


def rebuild(log: list[bytes], moves: list[tuple[int, Command]]) -> Line:
    """A line that reads a log without effects, its breakers moved by the commands of then."""
    line_ = Line(compile_book(MANY))
    for offset, record in enumerate(log):
        mine = [command for at, command in moves if at == offset]
        for command in mine:
            if command.state is State.HALF_OPEN:  # the wait was over before the event
                line_.obey(command)
        line_.replay(Records([record], offsets=[offset]))
        for command in mine:
            if command.state is not State.HALF_OPEN:
                line_.obey(command)
    return line_


def command(workflow: str, state: State, generation: int, *, at: float = 50, by: str) -> Command:
    return Command(
        command_id=f"{workflow}-{generation}",
        workflow=workflow,
        generation=generation,
        state=state,
        reason=Reason(text="a person"),
        issued_at=START + timedelta(seconds=at),
        issued_by=by,
    )
