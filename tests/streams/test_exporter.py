"""What a scrape shows of a line's workflows, however many there are."""

from __future__ import annotations

from typing import Any

import pytest

from detectors.columns import Records
from detectors.line import Line
from detectors.plan import compile_book
from streams import exporter
from streams.exporter import OTHER, WORKFLOWS_MAX, Exporter
from tests.detectors.newsletter import DAY, REACH, WEEKS_6, send
from tests.eventlog import book, line

MONEY = {"rate": "value", "over": "1h", "currency": "USD"}
BOOK = book(
    {**MONEY, "at_least": 1000},
    {"rate": "volume", "over": "1h", "at_least": 1000, "per": "target"},
)
SURPLUS = 7
WORKFLOWS = [f"w{n}" for n in range(WORKFLOWS_MAX + SURPLUS)]


@pytest.fixture(autouse=True)
def _gauges_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter, "GAUGES_EVERY_S", 0)


def shown(made: Exporter, name: str, **labels: str) -> float | None:
    return made.registry.get_sample_value(name, labels)


def took(made: Exporter, records: list[bytes]) -> Line:
    judge = Line(compile_book(BOOK))
    made.took(judge.take(Records(records)), judge)
    made.show([judge], {0: 3})
    return judge


def event(workflow: str, number: int, **fields: Any) -> bytes:
    money = {"value": 10.25, "currency": "USD", "target": "t"}
    return line(f"{workflow}-{number}", number, workflow=workflow, **money | fields)


def test_workflows_beyond_the_cap_are_counted_together() -> None:
    made = Exporter()
    took(made, [event(workflow, number) for number in range(2) for workflow in WORKFLOWS])
    rule = {"policy": "only", "rule": "rule-0", "rate": "value"}
    for workflow, times in {"w0": 1, WORKFLOWS[WORKFLOWS_MAX - 1]: 1, OTHER: SURPLUS}.items():
        counted = shown(made, "andon_actions_total", workflow=workflow, outcome="success")
        assert counted == 2 * times
        assert shown(made, "andon_money_total", workflow=workflow, currency="USD") == 20.5 * times
        observed = shown(made, "andon_rule_observed", workflow=workflow, **rule)
        assert observed == (None if workflow == OTHER else 20.5)
    assert shown(made, "andon_actions_total", workflow=WORKFLOWS[-1], outcome="success") is None


def test_of_groups_the_largest_is_shown() -> None:
    made = Exporter()
    took(made, [event("w", number, target=target) for number, target in enumerate("abbbcc")])
    rule = {"workflow": "w", "policy": "only", "rule": "rule-1", "rate": "volume"}
    assert shown(made, "andon_rule_observed", **rule) == 3
    assert shown(made, "andon_rule_bound", **rule) == 1000


def test_the_bound_of_a_rule_against_usual_is_that_of_the_hour() -> None:
    made, judge = Exporter(), Line(compile_book(book(REACH)))
    rule = {"workflow": "refunds", "policy": "only", "rule": "rule-0", "rate": "volume"}
    for log, bound in ((WEEKS_6[:1], 4000), (WEEKS_6[1:], 2000), ([send(42 * DAY + 3, 1)], 1000)):
        made.took(judge.take(Records(log)), judge)
        made.show([judge], {})
        assert shown(made, "andon_rule_bound", **rule) == bound
    assert shown(made, "andon_histories_held") == 1


def test_actions_that_no_rate_converts_are_counted() -> None:
    made = Exporter()
    convert = {"to": "USD", "rates": {"EUR": 1.08}}
    judge = Line(compile_book(book({**MONEY, "at_least": 1000}, convert=convert)))
    log = [event("w", n, currency=("USD", "EUR", "CHF", "CHF")[n]) for n in range(4)]
    made.took(judge.take(Records(log)), judge)
    name = "andon_unconverted_actions_total"
    assert shown(made, name, workflow="w", currency="CHF") == 2
    assert shown(made, name, workflow="w", currency="EUR") is None


def test_gauges_go_with_their_partition_and_come_back_with_it() -> None:
    made = Exporter()
    judge = took(made, [event("w", 0)])
    made.show([], {})
    assert shown(made, "andon_breaker_state", workflow="w") is None
    assert shown(made, "andon_lag_records", partition="0") is None
    made.show([judge], {0: 5})
    assert shown(made, "andon_breaker_state", workflow="w") == 0
    assert shown(made, "andon_lag_records", partition="0") == 5
