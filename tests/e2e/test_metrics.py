"""What a running monitor shows Prometheus, against what has happened."""

from __future__ import annotations

import json
import math
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from andon.breaker import State
from dashboards.queries import STATE_NUMBERS
from tests.andon.streaming import until
from tests.dashboards.expressions import expressions
from tests.dashboards.prometheus import SCRAPE_EVERY_S, prometheus, tool
from tests.e2e.harness import Automation, Kafka, Monitor, Record, Unique, andon
from tests.eventlog import line

HOUR = 3600
PAUSE = 9
"""The place among the facts of the event that pauses the workflow."""


def facts(workflow: str) -> list[Record]:
    """Of everything that is counted something; refunds of USD 5050 pause the workflow."""
    numbers = iter(range(99))

    def event(at: float, **fields: object) -> bytes:
        return line(f"{workflow}-{next(numbers)}", at, workflow=workflow, **fields)

    usd = {"currency": "USD"}
    again = event(5, value=50, **usd)
    records = [
        *(again, again),  # one counts, one is a duplicate
        event(6, outcome="error"),
        event(7, outcome="denied"),
        event(8, by="human", reverses="elsewhere", value=50, **usd),
        event(9, value=7.25, currency="eur", recipients=3, target="t", run="r"),
        event(10, mode="shadow", value=900, **usd),
        event(11 - 2 * HOUR),  # late
        event(12, value=-1, **usd),  # a dead letter
        event(13, value=5000, **usd),  # the pause
        event(14, value=20.5, **usd),
        event(15, outcome="denied"),
        event(16, by="human", value=900, **usd),
        event(17, value=4, currency="eur"),
        event(18),
    ]
    other = json.dumps(json.loads(event(19)) | {"workflow": "nobody-watches"}).encode()
    return [*((workflow.encode(), value) for value in records), (b"nobody-watches", other)]


COUNTS: dict[str, list[tuple[dict[str, str], float]]] = {
    "andon_records_total": [({}, 16)],
    "andon_events_total": [
        ({"fate": "counted"}, 11),
        ({"fate": "not_live"}, 1),
        ({"fate": "unwatched"}, 1),
        ({"fate": "late"}, 1),
        ({"fate": "duplicate"}, 1),
        ({"fate": "rejected"}, 1),
    ],
    "andon_dead_letters_total": [({"field": "value"}, 1), ({}, 1)],
    "andon_commands_total": [({"state": "OPEN"}, 1), ({}, 1)],
    "andon_trips_total": [({"policy": "facts", "rule": "money"}, 1), ({}, 1)],
    "andon_detections_total": [({"rule": "money", "mode": "enforce"}, 1)],
    "andon_actions_total": [
        ({"workflow": "W", "outcome": "success"}, 6),
        ({"workflow": "W", "outcome": "error"}, 1),
        ({"workflow": "W", "outcome": "denied"}, 2),
    ],
    "andon_money_total": [
        ({"workflow": "W", "currency": "USD"}, 50 + 5000 + 20.5),
        ({"workflow": "W", "currency": "EUR"}, 7.25 + 4),
    ],
    "andon_leaked_actions_total": [({"workflow": "W"}, 3), ({}, 3)],
    "andon_leaked_money_total": [
        ({"workflow": "W", "currency": "USD"}, 20.5),
        ({"workflow": "W", "currency": "EUR"}, 4),
    ],
    "andon_breaker_state": [({"workflow": "W"}, 1)],
    "andon_rule_observed": [
        ({"workflow": "W", "rule": "money"}, 5070.5),
        ({"workflow": "W", "rule": "many"}, 6),
    ],
    "andon_rule_bound": [({"workflow": "W", "rule": "money"}, 5000)],
}


def test_counters_equal_the_facts(kafka: Kafka, monitor: Monitor, unique: Unique) -> None:
    workflow = unique("facts")
    monitor.catch_up(kafka)
    read = reader(monitor, workflow)
    before = read()
    kafka.produce(facts(workflow))
    monitor.catch_up(kafka)
    until(lambda: monitor.metric("andon_breaker_state", workflow=workflow) == 1, "the gauges")
    risen = {what: round(now - before[what], 6) for what, now in read().items()}
    assert risen == {
        f"{name} {labels}": expected for name, each in COUNTS.items() for labels, expected in each
    }
    # Nothing waits, and a heart beats.
    assert monitor.metric("andon_lag_records") == 0
    assert time.time() - monitor.metric("andon_heartbeat_timestamp_seconds") < 60


def reader(monitor: Monitor, workflow: str) -> Callable[[], dict[str, float]]:
    """Reads all that COUNTS names."""

    def read() -> dict[str, float]:
        return {
            f"{name} {labels}": monitor.metric(
                name, **{k: workflow if v == "W" else v for k, v in labels.items()}
            )
            for name, each in COUNTS.items()
            for labels, _ in each
        }

    return read


def test_promtool_finds_nothing_to_say(monitor: Monitor) -> None:
    text = httpx.get(monitor.metrics_url).content
    checked = subprocess.run(
        [tool("promtool"), "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_the_dashboard_shows_a_running_monitor_and_guard(
    kafka: Kafka, monitor: Monitor, unique: Unique, tmp_path: Path
) -> None:
    workflow = unique("facts")
    address = monitor.metrics_url.split("/")[2]
    with Automation(kafka, unique("path")) as automation:
        automation.refund(1)
        targets = {"andon-monitor": address, "andon-guards": automation.metrics}
        with prometheus(tmp_path, targets) as server:
            start = time.time()

            def stands(state: State) -> None:
                shown = f'andon_breaker_state{{workflow="{workflow}"}} == {STATE_NUMBERS[state]}'
                until(lambda: server.now(shown), f"Prometheus to see {state}")

            happens = facts(workflow)
            kafka.produce(happens[:PAUSE])
            stands(State.CLOSED)
            kafka.produce(happens[PAUSE:])
            stands(State.OPEN)
            andon(kafka, "reset", workflow, "--reason", "a look at it")
            stands(State.HALF_OPEN)
            andon(kafka, "reset", workflow, "--reason", "it is fine", "--now")
            stands(State.CLOSED)
            values = {
                "$__rate_interval": "15s",
                "$__range": "1m",
                "$job": ".*",
                "$instance": ".*",
                "$workflow": ".*",
            }
            silent = []
            for title, expr in expressions():
                for name, value in values.items():
                    expr = expr.replace(name, value)
                # A step after the last scrape as well: what that one saw counts.
                series = server.over(expr, start, time.time() + SCRAPE_EVERY_S)
                found = [float(value) for each in series for _, value in each["values"]]
                if not any(map(math.isfinite, found)):
                    silent.append((title, expr))
            # No guard answers here, no currency is converted, and no policy is of a scope.
            titles = {title for title, expr in silent if "andon_scope_" not in expr}
            assert titles <= {"Money not counted", "Time to pause"}
