"""Every expression of dashboard and rules, on a real Prometheus that scraped real metrics."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from andon.breaker import State
from dashboards.queries import STATE_NUMBERS
from tests.dashboards.expressions import expressions
from tests.dashboards.plant import Plant, plant
from tests.dashboards.prometheus import Prometheus, prometheus, wait_until

SUBSTITUTES = {
    "$__rate_interval": "2s",
    "$__range": "1m",
    "$job": ".*",
    "$instance": ".*",
    "$workflow": "refunds",
}


class Seen(NamedTuple):
    """What Prometheus holds of a plant's life, and when that was."""

    server: Prometheus
    start: float
    end: float


@pytest.fixture(scope="module")
def metrics_target() -> Iterator[Plant]:
    """A monitor and a guard whose metrics can be scraped."""
    with plant() as made:
        yield made


@pytest.fixture(scope="module")
def seen(metrics_target: Plant, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """The life of a workflow as Prometheus saw it: work, a pause, a trial, work again."""
    targets = {"andon-monitor": metrics_target.monitor, "andon-guards": metrics_target.guard}
    with prometheus(tmp_path_factory.mktemp("prometheus"), targets) as server:
        start = time.time()

        def stands(state: State) -> bool:
            metrics_target.show()
            held = 'andon_breaker_state{workflow="refunds"}[1s]'
            bounds = f"min_over_time({held}) == max_over_time({held}) == {STATE_NUMBERS[state]}"
            return bool(server.now(f"{bounds} and count_over_time({held}) > 2"))

        for act, state in metrics_target.life():
            act()
            wait_until(lambda state=state: stands(state))  # type: ignore[misc]
        wait_until(lambda: all(rule["lastEvaluation"][:4] != "0001" for rule in server.rules()))
        yield Seen(server, start, time.time())


@pytest.mark.parametrize(("title", "expr"), expressions())
def test_an_expression_of_the_dashboard_has_an_answer(title: str, expr: str, seen: Seen) -> None:
    for name, value in SUBSTITUTES.items():
        expr = expr.replace(name, value)
    assert "$" not in expr
    series = seen.server.over(expr, seen.start, seen.end)
    values = [float(value) for each in series for _, value in each["values"]]
    assert any(math.isfinite(value) for value in values), title


def test_the_first_trip_is_seen(seen: Seen) -> None:
    """A counter that began at 1 would not have risen."""
    for metric in ("andon_trips_total", "andon_detections_total", "andon_leaked_actions_total"):
        (series,) = seen.server.now(f"sum(increase({metric}[1m])) > 0")
        assert float(series["value"][1]) > 0


def test_the_choices_of_the_variables_are_there(seen: Seen) -> None:
    for label, expected in {
        "job": {"andon-monitor", "andon-guards"},
        "workflow": {"refunds"},
    }.items():
        series = seen.server.now(
            f'count by ({label}) ({{__name__=~"andon_breaker_state|andon_guard_state|up"}})'
        )
        assert expected <= {each["metric"].get(label) for each in series}


def test_every_rule_is_evaluated(seen: Seen) -> None:
    rules = seen.server.rules()
    assert len(rules) > 8
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []


def test_every_recorded_series_is_there(seen: Seen) -> None:
    recorded = [rule["name"] for rule in seen.server.rules() if rule["type"] == "recording"]
    assert recorded
    assert [name for name in recorded if not seen.server.now(name)] == []


def test_dead_letters_are_told_and_a_running_monitor_is_not(seen: Seen) -> None:
    alerts = {rule["name"]: rule for rule in seen.server.rules() if rule["type"] == "alerting"}
    fields = {alert["labels"]["field"] for alert in alerts["AndonDeadLetters"]["alerts"]}
    assert fields == {"record", "value"}
    assert alerts["AndonMonitorSilent"]["state"] == "inactive"
