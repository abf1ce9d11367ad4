"""The canary with real processes: it goes round, and people hear when a leg of it fails."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from andon.breaker import State
from andon.canary import LEGS
from streams.canary import last_round
from tests.andon.streaming import until
from tests.e2e.harness import ANDON, METRICS, Kafka, Monitor, Unique

POLICIES = [
    {
        "name": "all",
        "rules": [{"name": "many", "rate": "volume", "over": "1h", "at_least": 1}],
        "recover": {"after": "manual"},
    }
]


@contextmanager
def running(kafka: Kafka, log: Path, *command: str, **environment: str) -> Iterator[Path]:
    """A command of `andon` that runs on; where it prints to."""
    env = {"KAFKA_BOOTSTRAP_SERVERS": kafka.address, "PYTHONUNBUFFERED": "1", **environment}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [ANDON, *command], env=os.environ | env, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        yield log
    finally:
        process.terminate()
        assert process.wait(60) == 0, log.read_text()


def test_it_goes_round_and_people_hear_when_a_leg_fails_and_when_it_is_back(
    own_kafka: Kafka, tmp_path: Path, unique: Unique
) -> None:
    kafka = own_kafka  # the embedded broker would keep a place for its dispatcher when it has gone
    workflow, group = unique("canary"), unique("group")
    named = {"ANDON_CANARY_WORKFLOW": workflow}
    settings = {**named, "ANDON_CANARY_EVERY_S": "2"}

    def told(kind: str) -> int:
        return sum(alert.kind == kind for alert in kafka.alerts(workflow))

    with Monitor(kafka.address, tmp_path, POLICIES, "--no-alerts", group=group, **named) as monitor:
        until(monitor.partitions, "the monitor to have its partitions")
        with ExitStack() as stack:
            canary = running(
                kafka, tmp_path / "canary.log", "canary", "--metrics-port", "0", **settings
            )
            log = stack.enter_context(canary)
            until(lambda: told("canary_passed"), "a first round")  # it may fail: all is just begun
            people = stack.enter_context(running(kafka, tmp_path / "alerts.log", "alerts"))
            passed = told("canary_passed")
            until(lambda: told("canary_passed") >= passed + 2, "two rounds")
            moves = [command.state for command in kafka.commands(workflow)]
            at = len(moves) - 1 - moves[::-1].index(State.CLOSED)
            assert moves[at - 2 : at] == [State.OPEN, State.HALF_OPEN]
            assert {command.issued_by for command in kafka.commands(workflow)} == {"monitor"}
            check_metrics(log)
            assert monitor.metric("andon_trips_total") == 0
            assert monitor.metric("andon_actions_total", workflow=workflow) == 0
            assert workflow not in people.read_text()  # nobody is told of a round

            monitor.send(signal.SIGSTOP)
            until(lambda: told("canary_silent") == 1, "people to be told")
            until(lambda: "Pausing may not work" in people.read_text(), "the receiver")
            assert re.search(r"fails: \w+ failed", people.read_text())
            monitor.send(signal.SIGCONT)
            until(lambda: told("canary_back") == 1, "people to be told that it is back")
            until(lambda: "Pausing works again" in people.read_text(), "the receiver")
            assert told("canary_silent") == 1
            last = asyncio.run(last_round(kafka.address))
            assert last is not None
            assert last.kind in ("canary_passed", "canary_failed")


def check_metrics(log: Path) -> None:
    found = METRICS.search(log.read_text())
    assert found
    families = text_string_to_metric_families(httpx.get(found[1]).text)
    samples = {(s.name, *s.labels.values()): s.value for f in families for s in f.samples}
    assert samples["andon_canary_last_success_timestamp_seconds",] > 1e9
    assert all(0 <= samples["andon_canary_leg_seconds", leg] < 60 for leg in LEGS)
    assert samples["andon_canary_rounds_total", "passed"] >= 1
    assert re.search(r"nothing failed; (\w+ [\d.]+ s, )+return", log.read_text())
