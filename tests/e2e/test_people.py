"""People pause and release a workflow; the monitor follows them, also over its own restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from andon.breaker import State
from tests.andon.streaming import until
from tests.e2e.harness import Kafka, Monitor, Unique, andon, status_of
from tests.eventlog import START, line

STATES = tuple(State)


def test_the_monitor_follows_people_also_after_a_restart(
    kafka: Kafka, monitor: Monitor, unique: Unique
) -> None:
    workflow = unique("people")

    def refund(name: str, value: float, after_s: float = 0) -> None:
        at = (datetime.now(UTC) - START) / timedelta(seconds=1) + after_s
        event = line(name, at, workflow=workflow, value=value, currency="USD")
        kafka.produce([(workflow.encode(), event)])

    def stands(state: State) -> None:
        number = STATES.index(state)
        until(lambda: shown() == number, f"{workflow} to be {state}")

    def shown() -> float:
        return monitor.metric("andon_breaker_state", workflow=workflow)

    refund("a", 60, -60)
    monitor.catch_up(kafka)
    andon(kafka, "trip", workflow, "--reason", "let me look", "--user", "ana")
    stands(State.FORCED_OPEN)
    refund("b", 60, -30)  # above the bound now, but a person's pause stands
    monitor.catch_up(kafka)
    assert status_of(kafka, workflow)["why"] == "let me look"
    andon(kafka, "reset", workflow, "--reason", "it is fine", "--user", "ana")
    stands(State.HALF_OPEN)
    assert monitor.stop() == 0
    monitor.start()
    refund("c", 99, 1)  # with what was before: 219
    monitor.catch_up(kafka)
    stands(State.HALF_OPEN)
    refund("d", 1, 2)
    stands(State.OPEN)

    moves = kafka.commands(workflow)
    assert [(m.generation, m.state, m.issued_by) for m in moves] == [
        (1, State.FORCED_OPEN, "user:ana"),
        (2, State.HALF_OPEN, "user:ana"),
        (3, State.OPEN, "monitor"),
    ]
    reason = moves[2].reason
    assert (reason.observed, reason.event_ids) == (100.0, ["d", "c"])
    assert [audit.generation for audit in kafka.audits(workflow, "transition")] == [1, 2, 3]
    detections = kafka.audits(workflow, "detection")
    assert [d.reason.event_ids[0] for d in detections if d.reason] == ["b", "d"]
    refusal = andon(kafka, "trip", unique("people"), "--reason", " ", status=2)
    assert "reason: must have 1 to 1,000 characters" in refusal
