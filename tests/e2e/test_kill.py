"""The kill switch stops guards of all workflows in all processes, with a monitor and without."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

from andon.topics import DEAD_LETTERS
from tests.andon.streaming import until
from tests.e2e.harness import Automation, Kafka, Monitor, andon
from tests.eventlog import line

WORKFLOWS = ("refunds", "mails", "deploys")
POLICY = {
    "name": "many",
    "rules": [{"name": "many", "rate": "volume", "over": "1h", "at_least": 1000}],
}


def test_everybody_stops_and_comes_back_with_a_monitor_and_without(
    own_kafka: Kafka, tmp_path: Path
) -> None:
    kafka = own_kafka

    def all_stopped(by: list[Automation]) -> None:
        for automation in by:
            until(lambda each=automation: "everything is paused" in each.refund(1), "the refusal")

    def all_run(by: list[Automation]) -> None:
        for automation in by:
            until(lambda each=automation: each.refund(1) == "done", "an action to run again")

    with ExitStack() as stack:
        monitor = stack.enter_context(Monitor(kafka.address, tmp_path / "monitor", [POLICY]))
        automations = [stack.enter_context(Automation(kafka, name)) for name in WORKFLOWS]
        all_run(automations)
        for name in WORKFLOWS:
            until(lambda name=name: kafka.heartbeats(name), "a heartbeat")
        said = andon(kafka, "kill", "--reason", "they all lie", "--user", "ana")
        assert "andon reset andon:all" in said
        all_stopped(automations)
        assert {ack.generation for ack in kafka.acks("andon:all")} == {1}
        assert len({ack.guard for ack in kafka.acks("andon:all")}) == len(WORKFLOWS)
        (audit,) = until(lambda: kafka.audits("andon:all", "ack"), "the monitor to see it obeyed")
        assert audit.reason is not None
        assert audit.reason.text.startswith("all 3 guards obey ")
        assert kafka.commands("refunds") == []

        kafka.produce([(b"andon:all", line("forged", 0, workflow="andon:all"))])
        (letter,) = until(lambda: kafka.read(DEAD_LETTERS), "the forged event")
        assert dict(letter.headers)["andon-field"] == b"workflow"
        monitor.kill()

        andon(kafka, "reset", "andon:all", "--reason", "they were right")
        all_run(automations)
        andon(kafka, "kill", "--automation", "refund-bot", "--reason", "without a monitor")
        for automation in automations:
            until(lambda each=automation: "automation refund-bot" in each.refund(1), "the refusal")
        andon(kafka, "kill", "--reason", "all of it")
        andon(kafka, "reset", "andon:automation:refund-bot", "--reason", "it is not the only one")
        all_stopped(automations)
        rows = json.loads(andon(kafka, "status", "--json"))["workflows"]
        assert {row["workflow"]: row["label"] for row in rows} == {
            "andon:all": "Paused by hand",
            "andon:automation:refund-bot": "Running",
        }
