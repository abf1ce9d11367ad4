"""Many workflows that fail on one target are told once, however the log is cut."""

from __future__ import annotations

import json
from typing import Any

import pytest

from andon.commands import Alert
from andon.policy import PolicyBook
from detectors.columns import Records
from detectors.line import Line
from detectors.plan import compile_book
from detectors.snapshot import line_of, snapshot_of
from tests.eventlog import book_of, line

ERRORS = {"name": "errors", "rate": "error", "over": "5m", "above": "50%", "min": 2}
OWN = {"name": "own", "rules": [ERRORS], "alert": {"receivers": ["ops"]}}
STRIPE = {"name": "stripe", "breaker": {"target": "stripe"}, "match": {"target": "ch_*"}}
BOOK = book_of(OWN, STRIPE)


def failing(workflow: str, at: float, target: str = "ch_1", **more: Any) -> list[bytes]:
    """Two errors, of which the second one is a detection."""
    same = {"workflow": workflow, "target": target, "outcome": "error"} | more
    return [line(f"{workflow}-{at}-{n}", at + n, **same) for n in range(2)]


def notes(log: list[bytes], book: PolicyBook = BOOK) -> list[tuple[str, bytes]]:
    taken = Line(compile_book(book)).take(Records(log))
    return [(forward.scope, forward.value) for forward in taken.forwards]


def down(log: list[bytes], size: int = 1000, book: PolicyBook = BOOK) -> list[Alert]:
    """The alerts of a line of scopes, made anew from a snapshot after every batch."""
    compiled, told = compile_book(book), list[Alert]()
    second = Line(compiled, scoped=True)
    values = [value for _, value in notes(log, book)]
    for start in range(0, len(values), size):
        effects = second.take(Records(values[start : start + size])).effects
        assert effects.rejected == []
        told += effects.alerts
        second = line_of(compiled, snapshot_of(second), scoped=True)
    return told


def test_a_detection_is_noted_under_the_target_that_it_failed_on() -> None:
    log = [*failing("a", 0), *failing("b", 0, "paypal"), line("1", 9, workflow="c")]
    assert [scope for scope, _ in notes(log)] == ["andon:target:stripe", "andon:target:paypal"]
    labels = json.loads(notes(log)[0][1])["labels"]
    assert labels == {"andon_workflow": "a", "andon_failed_by": "own"}
    assert notes(failing("a", 0, outcome="success")) == []


def test_three_workflows_within_ten_minutes_are_told_once() -> None:
    log = [event for n, name in enumerate("cabde") for event in failing(name, n * 60, f"ch_{n}")]
    (alert,) = down(log)
    assert (alert.kind, alert.workflow, alert.severity) == (
        *("target_down", "andon:target:stripe"),
        "critical",
    )
    assert alert.title == "Target stripe is down: 3 workflows fail on it: a, b, c"
    assert alert.reason.event_ids == ["a-60-1", "b-120-1", "c-0-1"]
    assert (alert.reason.window_s, alert.receivers) == (600, ["ops"])
    assert alert.resume.startswith("andon trip andon:target:stripe ")


@pytest.mark.parametrize(
    "log",
    [
        [*failing("a", 0), *failing("b", 1)],
        [*failing("a", 0), *failing("a", 400), *failing("b", 401)],
        [*failing("a", 0), *failing("b", 300), *failing("c", 601)],
        [*failing("a", 0), *failing("b", 1), *failing("c", 2, "paypal")],
    ],
)
def test_fewer_or_farther_apart_are_not(log: list[bytes]) -> None:
    assert down(log) == []


def test_it_is_told_again_when_it_had_passed() -> None:
    log = [event for at in (0, 100, 5000) for name in "abc" for event in failing(name, at)]
    assert len(down(log)) == 2


def test_neither_batches_nor_repetitions_nor_restarts_change_it() -> None:
    log = [event for at in (0, 5000) for name in "abcd" for event in failing(name, at)]
    whole = down(log)
    assert down(log, 1) == down(log, 3) == whole
    values = [value for _, value in notes(log)]
    second = Line(compile_book(BOOK), scoped=True)
    twice = second.take(Records([value for value in values for _ in range(2)])).effects.alerts
    assert twice == whole
    again = Line(compile_book(BOOK), scoped=True)
    again.replay(Records(values[:3]))
    assert again.take(Records(values[3:])).effects.alerts == whole[1:]


def test_the_page_of_a_workflow_names_the_target() -> None:
    (page,) = Line(compile_book(BOOK)).take(Records(failing("a", 0))).effects.alerts
    assert (page.kind, page.target) == ("paused", "andon:target:stripe")
