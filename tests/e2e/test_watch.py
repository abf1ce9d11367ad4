"""People watch what a monitor and a guard do."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.andon.streaming import until
from tests.e2e.harness import ANDON, PATIENCE_S, Automation, Kafka, Monitor, Unique, andon


@contextmanager
def watching(kafka: Kafka, monitor: Monitor, *options: str, **how: Any) -> Iterator[Any]:
    """`andon watch` as a process; Ctrl-C has to end it well."""
    options = ("--metrics", monitor.metrics_url, *options)
    process = subprocess.Popen(
        [ANDON, "watch", *options],
        env=os.environ | {"KAFKA_BOOTSTRAP_SERVERS": kafka.address, "COLUMNS": "200"},
        **how,
    )
    try:
        yield process
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_line_for_each_change(kafka: Kafka, monitor: Monitor, unique: Unique) -> None:
    workflow = unique("path")
    with Automation(kafka, workflow) as bot:
        assert bot.refund(60) == "done"
        labels = {"workflow": workflow, "rule": "money"}
        until(lambda: monitor.metric("andon_rule_observed", **labels) == 60, "the rate")
        with watching(kafka, monitor, "--json", stdout=subprocess.PIPE, text=True) as process:
            lines = (json.loads(line) for line in process.stdout)
            mine = (row for row in lines if row["workflow"] == workflow)
            row = next(mine)
            assert (row["state"], row["guards"]) == ("CLOSED", {"live": 1, "missing": 0})
            assert row["rates"] == [{"rule": "money", "observed": 60.0, "bound": 100.0}]
            assert row["last_trip"] is None
            assert bot.refund(60) == "done"
            row = next(row for row in mine if row["state"] == "OPEN")
            assert row["generation"] == 1
            assert "bound $100 USD" in row["last_trip"]["why"]
            until(lambda: andon(kafka, "reset", workflow, "--reason", "fixed"), "the reset")
            row = next(row for row in mine if row["state"] == "HALF_OPEN")
            assert row["last_trip"]["by"] == "monitor"


def test_a_table_on_a_terminal(kafka: Kafka, monitor: Monitor, unique: Unique) -> None:
    workflow = unique("people")
    andon(kafka, "trip", workflow, "--reason", "looks odd")
    master, slave = pty.openpty()
    with watching(kafka, monitor, stdin=slave, stdout=slave, stderr=slave):
        seen = ""

        def drawn() -> bool:
            nonlocal seen
            seen += os.read(master, 65_536).decode(errors="replace")
            return "Nearest its bound" in seen and "looks odd" in seen and "Paused by hand" in seen

        until(drawn, "the table")
    os.close(slave)
    os.close(master)


def test_the_doctor_is_content_with_who_is_there(
    kafka: Kafka, monitor: Monitor, unique: Unique
) -> None:
    monitor.catch_up(kafka)
    with Automation(kafka, unique("people")):

        def found() -> dict[str, Any]:
            env = os.environ | {"KAFKA_BOOTSTRAP_SERVERS": kafka.address}
            command = [ANDON, "doctor", "--json", "--policy", str(monitor.policy)]
            done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
            rows = json.loads(done.stdout)["checks"]
            return {row["check"]: row for row in rows}

        until(lambda: found()["guards"]["status"] == "ok", "a heartbeat")
        rows = found()
        assert rows["monitor"]["status"] == "ok", rows["monitor"]
        assert "1 in group andon-monitor, 0 events behind" in rows["monitor"]["says"]
