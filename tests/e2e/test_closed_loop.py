"""A pause is proven: who obeys is measured, who does not is stopped by the second lever, once."""

from __future__ import annotations

import json
from datetime import timedelta

from andon.commands import Alert
from andon.topics import ALERTS
from streams.dispatch import GROUP
from tests.andon.streaming import program, until
from tests.e2e.harness import Automation, Kafka, Monitor, Unique, andon
from tests.streams.receiving import Hook

GRACE = timedelta(seconds=2)

WILFUL = """
    import json, os, sys, time, uuid
    from datetime import datetime, timezone
    from kafka import KafkaProducer
    workflow = os.environ["ANDON_WORKFLOW"]
    producer = KafkaProducer(bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"])
    while True:
        event = {
            "event_id": uuid.uuid4().hex,
            "ts": datetime.now(timezone.utc).isoformat(),
            "workflow": workflow,
            "automation": "wilful-bot",
            "capability": "transact",
            "action": "refund.create",
            "outcome": "success",
            "value": 60,
            "currency": "USD",
        }
        producer.send("execute.events", json.dumps(event).encode(), workflow.encode()).get(30)
        time.sleep(0.2)
"""


def told(hook: Hook, workflow: str) -> list[Alert]:
    """The alerts about pauses that are not obeyed, as the receiver took them."""
    taken = [each.alert for each in hook.taken]
    return [alert for alert in taken if (alert.workflow, alert.kind) == (workflow, "not_obeyed")]


def answered(kafka: Kafka, workflow: str) -> str:
    """What the audit says of the guards' answers, once it says so."""
    (audit,) = until(lambda: kafka.audits(workflow, "ack"), "all answers")
    return str(audit.reason.text)


def test_what_goes_on_after_its_pause_is_told_and_stopped_once_over_a_restart(
    kafka: Kafka, monitor: Monitor, hook: Hook, lever: Hook, unique: Unique
) -> None:
    workflow = unique("loop")
    before = len(lever.taken)

    def leaked() -> float:
        return monitor.metric("andon_leaked_actions_total", workflow=workflow)

    with program(WILFUL, kafka.address, ANDON_WORKFLOW=workflow):
        hook.wait_for(lambda: told(hook, workflow))
        lever.wait_for(lambda: len(lever.taken) > before)
        until(
            lambda: kafka.committed(GROUP, ALERTS) == kafka.ends(ALERTS),
            "the dispatcher to write down what is settled",
        )
        monitor.kill()
        monitor.start()
        until(lambda: leaked() >= 15, "leaks after the restart, for longer than the grace time")
    monitor.catch_up(kafka)

    (alert,) = told(hook, workflow)
    (pause,) = kafka.commands(workflow)
    reason = alert.reason
    assert reason.events is not None
    assert reason.events >= GRACE.total_seconds() / 0.2 / 2
    assert reason.value == {"USD": 60.0 * reason.events}
    assert "by wilful-bot after the pause" in alert.title
    assert (alert.severity, alert.generation) == ("critical", pause.generation)
    (pulled,) = lever.taken[before:]
    assert (pulled.method, pulled.path) == ("PATCH", "/hook/api/v2/dags/agents")
    assert pulled.headers["authorization"] == "Bearer s3cret"
    assert json.loads(pulled.body) == {"is_paused": True}
    (audit,) = kafka.audits(workflow, "actuated")
    assert audit.actor == "actuator:lever"
    assert str(audit.reason and audit.reason.text).startswith("lever pulled for alert ")

    andon(kafka, "reset", workflow, "--reason", "it has a guard now")
    lever.wait_for(lambda: len(lever.taken) == before + 2)
    assert json.loads(lever.taken[-1].body) == {"is_paused": False}


def test_an_automation_that_obeys_is_measured_and_left_alone(
    kafka: Kafka, monitor: Monitor, hook: Hook, lever: Hook, unique: Unique
) -> None:
    workflow = unique("loop")
    before = len(lever.taken)
    with Automation(kafka, workflow) as automation:
        until(lambda: kafka.heartbeats(workflow), "a heartbeat")
        measured = monitor.metric("andon_time_to_pause_seconds_count")
        assert automation.refund(100) == "done"
        assert answered(kafka, workflow).startswith("the guard obeys ")
        assert monitor.metric("andon_time_to_pause_seconds_count") == measured + 1
        assert automation.refund(1).startswith("refused")
        (pause,) = kafka.commands(workflow)
        until(
            lambda: (
                (beat := kafka.heartbeats(workflow)[-1]).at > pause.issued_at + GRACE
                and beat.generation == pause.generation
            ),
            "a heartbeat after the grace time of a guard that obeys",
        )
        assert monitor.metric("andon_guards_live", workflow=workflow) == 1
        assert monitor.metric("andon_acks_missing", workflow=workflow) == 0
        looked = monitor.metric("andon_heartbeat_timestamp_seconds")
        until(
            lambda: monitor.metric("andon_heartbeat_timestamp_seconds") > looked + 1,
            "the monitor to look again",
        )
    assert told(hook, workflow) == []
    assert len(lever.taken) == before


def test_a_guard_that_was_killed_is_not_waited_for(
    kafka: Kafka, monitor: Monitor, hook: Hook, lever: Hook, unique: Unique
) -> None:
    workflow = unique("loop")
    before = len(lever.taken)
    with Automation(kafka, workflow) as survivor, Automation(kafka, workflow) as victim:
        until(lambda: len({beat.guard for beat in kafka.heartbeats(workflow)}) == 2, "two guards")
        victim.kill()
        assert survivor.refund(100) == "done"
        assert answered(kafka, workflow).startswith("the guard obeys ")
        until(
            lambda: monitor.metric("andon_guards_live", workflow=workflow) == 1, "one guard to live"
        )
        assert monitor.metric("andon_acks_missing", workflow=workflow) == 0
    assert told(hook, workflow) == []
    assert len(lever.taken) == before
