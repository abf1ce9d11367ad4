"""What the windows show of themselves: current rates, what is held, what is forgotten."""

from __future__ import annotations

import pytest

from andon.policy_file import parse_policies
from detectors.columns import Records
from detectors.line import Line
from detectors.plan import compile_book
from tests.eventlog import line

POLICY = """
version: 1
policies:
  - name: p
    rules:
      - {name: errors, rate: error, over: 1m, above: 50%}
      - {name: few, rate: error, over: 1m, above: 50%, min: 100}
      - {name: money, rate: value, over: 1m, at_least: 1000, currency: USD}
      - {name: repeats, rate: duplicate, over: 1m, at_least: 50, same: [target]}
      - {name: at-one, rate: error, over: 1m, above: 90%, per: target}
"""


def judged(*records: bytes) -> Line:
    made = Line(compile_book(parse_policies(POLICY)))
    made.take(Records(list(records)))
    return made


def event(number: int, second: float, target: str, outcome: str = "success") -> bytes:
    money = {"value": 10.25, "currency": "USD"}
    return line(f"e{number}", second, target=target, outcome=outcome, workflow="w", **money)


def test_current_rates_are_those_of_the_newest_window_and_of_the_largest_group() -> None:
    made = judged(
        event(0, 0, "old"),
        event(1, 100, "a"),
        event(2, 101, "a"),
        event(3, 102, "b", "error"),
        event(4, 103, "b"),
    )
    (rates,) = made.windows.current([made.windows.numbers.streams["w", 0]])
    assert rates == pytest.approx([1 / 4, 0, 30.75, 2, 1 / 2])


def test_what_is_crossed_while_it_runs_is_told_by_rule() -> None:
    policy = POLICY.replace("  - name: p\n", "  - name: p\n    mode: shadow\n")
    made = Line(compile_book(parse_policies(policy)))
    made.take(Records([event(0, 0, "a"), event(1, 1, "b", "error")]))
    assert made.crossed() == [("w", "at-one")], "of one group; of all it is half, and not above"
    made.take(Records([event(2, 2, "c", "error")]))
    assert made.crossed() == [("w", "at-one"), ("w", "errors")]
    made.take(Records([event(3, 200, "b")]))
    assert made.crossed() == [("w", "at-one")], "of the other group, which was not evaluated since"
    assert judged(event(0, 0, "a"), event(1, 1, "b", "error")).crossed() == [], "it is paused"


def test_what_no_window_can_reach_is_forgotten() -> None:
    made = judged(*(event(n, n * 30, f"t{n}") for n in range(100)))
    # An event may come as late as the longest window, and is then measured over one more.
    assert made.windows.events_held == 4
    assert made.windows.groups_held == 8


def test_the_state_does_not_grow_with_the_log() -> None:
    made = judged(*(event(n, n * 30, f"t{n}") for n in range(100)))
    rows = made.windows.state.rows.size
    for start in range(100, 5000, 100):
        made.take(Records([event(n, n * 30, f"t{n}") for n in range(start, start + 100)]))
    assert made.windows.state.rows.size == rows
    assert made.windows.events_held == 4
