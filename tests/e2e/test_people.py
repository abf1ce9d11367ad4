"""People pause and release a workflow; the monitor follows them, also over its own restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from andon.breaker import State
from andon.signing import Verifier, write_new_key
from andon.topics import COMMANDS
from tests.andon.streaming import until
from tests.e2e.harness import Automation, Kafka, Monitor, Unique, andon, status_of
from tests.eventlog import START, line

STATES = tuple(State)
MONEY = {"name": "money", "rate": "value", "over": "10m", "at_least": 50, "currency": "USD"}


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


def test_who_has_no_key_moves_nobody(
    kafka: Kafka, unique: Unique, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A monitor and a person with a key, a person without one."""
    workflow, key = unique("signed"), tmp_path / "key.pem"
    public = write_new_key(key).public
    policy = {"name": "all", "match": {"workflow": workflow}, "rules": [MONEY]}

    def last_command() -> bytes:
        mine = [each for each in kafka.read(COMMANDS) if each.key == workflow.encode()]
        return bytes(mine[-1].value)

    keyed = {"group": unique("signed"), "ANDON_SIGNING_KEY": str(key)}
    with Monitor(kafka.address, tmp_path, [policy], "--no-alerts", **keyed) as monitor:
        refund = line("a", 1, workflow=workflow, value=60, currency="USD")
        kafka.produce([(workflow.encode(), refund)])
        until(lambda: kafka.commands(workflow), "the pause")
        (pause,) = kafka.commands(workflow)
        assert Verifier([public]).problem(pause.to_json()) is None
        andon(kafka, "reset", workflow, "--reason", "let me through", "--user", "eve")
        until(lambda: monitor.metric("andon_commands_refused") >= 1, "the refusal")
        assert monitor.metric("andon_breaker_state", workflow=workflow) == STATES.index(State.OPEN)
        # Compaction would have left the forged one alone.
        until(lambda: last_command() == pause.to_json(), "the pause once more")
        monkeypatch.setenv("ANDON_SIGNING_KEY", str(key))
        assert f"{workflow} " in andon(kafka, "status")
        assert "it is not signed" in andon(kafka, "status")
        andon(kafka, "reset", workflow, "--reason", "it is fine", "--user", "ana")
        number = STATES.index(State.HALF_OPEN)
        until(
            lambda: monitor.metric("andon_breaker_state", workflow=workflow) == number, "the reset"
        )


def test_a_pause_for_a_time_ends_on_trial_by_itself(
    kafka: Kafka, monitor: Monitor, unique: Unique
) -> None:
    workflow = unique("people")
    with Automation(kafka, workflow) as bot:
        told = andon(kafka, "trip", workflow, "--reason", "looks odd", "--for", "3s")
        assert "Paused by hand until 20" in told
        until(lambda: bot.refund(1).startswith("refused, generation 1"), "the pause")
        until(lambda: status_of(kafka, workflow)["state"] == "HALF_OPEN", "the trial")
        until(lambda: bot.refund(1) == "done", "the guard")
    assert "for: " in andon(kafka, "trip", workflow, "--reason", "x", "--for", "soon", status=2)
