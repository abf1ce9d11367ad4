"""From an action in one process to its refusal there, and back, with everyone told."""

from __future__ import annotations

from andon import State
from andon.commands import Alert
from tests.andon.streaming import until
from tests.e2e.harness import Automation, Kafka, Monitor, Unique, andon, status_of
from tests.eventlog import line
from tests.streams.receiving import Hook


def test_an_automation_is_stopped_put_on_trial_and_let_run(
    kafka: Kafka, monitor: Monitor, hook: Hook, unique: Unique
) -> None:
    workflow = unique("path")
    with Automation(kafka, workflow) as automation:
        until(lambda: kafka.heartbeats(workflow), "a heartbeat: who answers is measured")
        assert [automation.refund(60), automation.refund(40)] == ["done", "done"]
        (ack,) = until(lambda: kafka.acks(workflow), "the ack")
        assert (ack.generation, ack.automation, ack.in_flight) == (1, "refund-bot", 0)
        refusal = automation.refund(10)
        assert refusal.startswith("refused, generation 1: ")
        assert f"andon reset {workflow}" in refusal

        shown = status_of(kafka, workflow)
        assert (shown["state"], shown["label"]) == ("OPEN", "Paused")
        assert [each["obeys"] for each in shown["acks"]] == [True]

        said = andon(kafka, "reset", workflow, "--reason", "it was a test", "--permits", "5")
        assert "On trial, 5 actions may run" in said
        until(lambda: len(kafka.acks(workflow)) == 2, "the ack of the trial")
        assert [automation.refund(1) for _ in range(3)] == ["done"] * 3
        until(lambda: len(kafka.acks(workflow)) == 3, "the ack of the end of the trial")
        assert [automation.refund(1) for _ in range(10)] == ["done"] * 10

    monitor.catch_up(kafka)
    trip, trial, end = kafka.commands(workflow)
    assert [each.state for each in (trip, trial, end)] == [
        State.OPEN,
        State.HALF_OPEN,
        State.CLOSED,
    ]
    assert [each.issued_by.partition(":")[0] for each in (trip, trial, end)] == [
        "monitor",
        "user",
        "monitor",
    ]
    assert (trip.reason.observed, trip.reason.events) == (100.0, 2)
    assert trip.reason.text in refusal
    assert end.reason.text == "3 good actions on trial"

    hook.wait_for(lambda: len(of(hook, workflow)) == 3)
    assert [(each.kind, each.generation) for each in of(hook, workflow)] == [
        ("paused", 1),
        ("on_trial", 2),
        ("resumed", 3),
    ]
    assert of(hook, workflow) == kafka.alerts(workflow)
    audits = until(
        lambda: len(found := kafka.audits(workflow)) == 8 and found, "the audit of deliveries"
    )
    assert [each.kind for each in audits if each.kind not in ("delivery", "ack")] == [
        "detection",
        "transition",
        "transition",
        "transition",
    ]
    told = [each.reason.text for each in audits if each.kind == "delivery" and each.reason]
    assert all("delivered at attempt" in text for text in told)
    (obeyed,) = [each.reason.text for each in audits if each.kind == "ack" and each.reason]
    assert obeyed.startswith("the guard obeys 0.")
    assert status_of(kafka, workflow)["label"] == "Running"


def of(hook: Hook, workflow: str) -> list[Alert]:
    """The alerts that the server took for this workflow, once their signatures are found right."""
    return [taken.alert for taken in hook.taken if taken.alert.workflow == workflow]


def test_a_pause_ends_by_itself_when_the_events_say_so(
    kafka: Kafka, monitor: Monitor, unique: Unique
) -> None:
    workflow = unique("waits")
    refunds: list[tuple[float, int]] = [
        (0, 99),
        (10, 1),
        (609, 5),
        (610, 5),
        (611, 5),
        (612, 5),
        (613, 84),
        (614, 1),
    ]
    refunds += [(1213.9, 1), (1214, 1)]
    kafka.produce(
        (
            workflow.encode(),
            line(f"{workflow}-{at}", at, workflow=workflow, value=value, currency="USD"),
        )
        for at, value in refunds
    )
    monitor.catch_up(kafka)
    moves = kafka.commands(workflow)
    assert [(each.state, each.reason.rule or each.reason.text) for each in moves] == [
        (State.OPEN, "money"),
        (State.HALF_OPEN, "paused for 10m"),
        (State.CLOSED, "2 good actions on trial"),
        (State.OPEN, "money"),
        (State.HALF_OPEN, "paused for 10m"),
    ]
    # What a trial begins with counts, and what went before does not: 5 + 5 + 5 + 84 + 1.
    assert (moves[3].reason.observed, moves[3].reason.events) == (100.0, 5)
    assert [(each.issued_at - moves[0].issued_at).total_seconds() for each in moves] == [
        0,
        600,
        602,
        604,
        1204,
    ]
    leaks = [each.reason.event_ids for each in kafka.audits(workflow, "leak") if each.reason]
    assert leaks == [[f"{workflow}-609"], [f"{workflow}-1213.9"]]
