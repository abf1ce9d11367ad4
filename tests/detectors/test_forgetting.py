"""What the windows hold is bounded; forgetting what no window sees changes no decision."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.columns import Records
from detectors.forgetting import Bounds
from detectors.kernel import groups
from detectors.line import Line
from detectors.plan import compile_book
from tests.detectors.test_properties import written
from tests.eventlog import book, line

RULES: list[dict[str, Any]] = [
    {"rate": "volume", "over": "1m", "at_least": 3},
    {"rate": "volume", "over": "2m", "at_least": 2, "per": "target"},
    {"rate": "reversal", "over": "2m", "above": "40%", "min": 2},
]
BOOK = book(*RULES)
TIGHT = Bounds(workflows_kept=3, workflows_max=1000)


def a_log(seed: int, length: int, workflows: int = 40) -> list[bytes]:
    """In the order of time: each workflow is busy for a while and then mostly silent."""
    chance, at, log = random.Random(seed), 0.0, []
    for n in range(length):
        at += chance.expovariate(1 / 5)
        busy = int(n * workflows / length)
        workflow = busy if chance.random() < 0.9 else chance.randrange(busy + 1)
        undoes = {"reverses": f"e{chance.randrange(n + 1)}"} if chance.random() < 0.2 else {}
        target = f"t{chance.randrange(3)}"
        log.append(line(f"e{n}", at, workflow=f"w{workflow}", target=target, **undoes))
    return log


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 99), st.sets(st.integers(1, 399)))
def test_what_no_window_sees_is_forgotten_and_nothing_changes(seed: int, cuts: set[int]) -> None:
    log, compiled = a_log(seed, 400), compile_book(BOOK)
    whole = Line(compiled).take(Records(log)).effects
    tight, effects = Line(compiled, bounds=TIGHT), []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(log)], strict=True):
        effects.append(tight.take(Records(log[start:end])).effects)
    assert written(effects) == written([whole])
    assert tight.windows.forgotten > 20
    assert tight.windows.workflows_held < 30
    assert tight.windows.evicted == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 99), st.sets(st.integers(1, 399)))
def test_too_many_at_once_are_forgotten_alike_however_the_log_is_cut(
    seed: int, cuts: set[int]
) -> None:
    chance = random.Random(seed)
    log = [line(f"e{n}", n / 9, workflow=f"w{chance.randrange(60)}") for n in range(400)]
    bounds = Bounds(workflows_kept=4, workflows_max=16)
    lines = [Line(compile_book(BOOK), bounds=bounds) for _ in range(2)]
    whole = written([lines[0].take(Records(log)).effects])
    effects = []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(log)], strict=True):
        effects.append(lines[1].take(Records(log[start:end])).effects)
    assert written(effects) == whole
    for each in lines:
        assert each.windows.workflows_held <= 16
        assert each.windows.evicted > 20
        assert each.windows.events_held < 200


def test_numbers_are_given_again() -> None:
    watched = Line(compile_book(BOOK), bounds=TIGHT)
    for n in range(2000):
        watched.take(Records([line(f"e{n}", n * 60, workflow=f"w{n}")]))
    assert watched.windows.numbers.streams_given < 20
    assert len(watched.windows.numbers.workflows) < 20
    assert watched.windows.state.slots.size < 1000


def test_few_workflows_are_remembered_however_long_they_are_silent() -> None:
    watched = Line(compile_book(BOOK))
    log = [line("a", 0, workflow="old"), *(line(f"e{n}", 9e6 + n) for n in range(50))]
    watched.take(Records([*log, line("a", 0, workflow="old")]))
    assert watched.windows.forgotten == 0
    assert watched.windows.workflows_held == 2


def test_groups_that_only_their_crossed_rule_keeps_are_bounded() -> None:
    rule = {"rate": "volume", "over": "1s", "at_least": 1, "per": "target"}
    watched, beyond = Line(compile_book(book(rule)), "runs"), groups.SILENT_GROUPS_MAX + 500
    log = [line(f"e{n}", n * 3, target=f"t{n}") for n in range(beyond)]
    found = watched.take(Records(log)).effects.detections
    assert len(found) == beyond
    assert watched.windows.groups_held < 1000
