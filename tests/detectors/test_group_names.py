"""A detection names the group that crossed its bound, whoever brought that about."""

from __future__ import annotations

from detectors.columns import Records
from detectors.group_names import ROOM
from detectors.line import Line
from detectors.plan import compile_book
from tests.eventlog import book, line

UNDONE = {"rate": "reversal", "over": "60s", "at_least": "50%", "per": "automation"}


def test_a_clerk_who_undoes_is_not_the_one_who_is_named() -> None:
    taken_back = line("undo", 1, reverses="a", automation="desk", by="human")
    [found] = (
        Line(compile_book(book(UNDONE)), "runs")
        .take(Records([line("a", 0, automation="bot"), taken_back]))
        .effects.detections
    )
    assert found.group == {"automation": "bot"}
    assert found.reason().text == "reversal rate 100% in 1m, bound 50%, automation bot"


def test_names_of_groups_that_no_window_holds_are_forgotten() -> None:
    watched = Line(compile_book(book(UNDONE)))
    for start in range(0, 8 * ROOM, ROOM):
        passing = range(start, start + ROOM)
        watched.take(Records([line(f"e{n}", 10 * n, automation=f"bot-{n}") for n in passing]))
    names = watched.group_names.dump()
    assert watched.windows.groups() <= names.keys()
    assert len(names) <= 2 * watched.windows.groups_held + ROOM


def test_a_group_is_named_when_it_comes_again() -> None:
    log = [line("a", 0, automation="bot"), line("gone", 999, automation="other")]
    log += [line("b", 1000, automation="bot"), line("undo", 1001, reverses="b", automation="desk")]
    [found] = Line(compile_book(book(UNDONE)), "runs").take(Records(log)).effects.detections
    assert found.group == {"automation": "bot"}
