"""The policy file of a running monitor is edited: well, badly, twice, away, and back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from andon.breaker import State
from andon.commands import EVERY_WORKFLOW, Audit
from andon.topics import EVENTS, POLICIES
from tests.andon.streaming import until
from tests.e2e.harness import PATIENCE_S, Kafka, Monitor, Unique, andon, policy_file
from tests.eventlog import line

IN_FORCE = re.compile(r"policies (\w+) are in force")


def money(at_least: float) -> list[dict[str, Any]]:
    rule = {"name": "money", "rate": "value", "over": "1h", "currency": "USD"}
    return [
        {
            "name": "reload",
            "match": {"workflow": "reload-*"},
            "rules": [rule | {"at_least": at_least}],
        }
    ]


@pytest.fixture
def running(kafka: Kafka, tmp_path: Path, unique: Unique) -> Iterator[Monitor]:
    """A monitor of this test alone, that pauses at 100 USD."""
    group = unique("reload")
    with Monitor(kafka.address, tmp_path, money(100), "--no-alerts", group=group) as monitor:
        until(lambda: "watching" in monitor.said, "the monitor to watch")
        yield monitor
        assert monitor.stop() == 0, monitor.log.read_text()


@pytest.fixture
def own_kafka(no_policies: str) -> Iterator[Kafka]:
    """A broker that holds no policies."""
    kafka = Kafka(no_policies)
    yield kafka
    kafka.close()


def spend(kafka: Kafka, workflow: str, *amounts: float, at: float = 0) -> None:
    """One action a second, from `at` seconds on."""
    events = [
        line(f"{at + n}", at + n, workflow=workflow, value=amount, currency="USD")
        for n, amount in enumerate(amounts)
    ]
    kafka.produce((workflow.encode(), event) for event in events)


def paused(kafka: Kafka, workflow: str) -> tuple[float | None, float | None]:
    """What was observed and the bound, once the workflow is paused."""
    (command,) = until(lambda: kafka.commands(workflow), f"{workflow} to be paused")
    assert command.state is State.OPEN
    return command.reason.observed, command.reason.bound


def policy_audits(kafka: Kafka, monitor: Monitor, kind: str) -> list[Audit]:
    """Those about versions that this monitor has told of."""
    audits = kafka.audits(EVERY_WORKFLOW, kind)
    return [audit for audit in audits if audit.policies and audit.policies in monitor.said]


def says(monitor: Monitor, words: str, times: int = 1) -> None:
    until(lambda: monitor.said.count(words) >= times, f"the monitor to say: {words}")


def test_a_good_version_holds_from_the_next_event_on_and_remembers(
    kafka: Kafka, running: Monitor, unique: Unique
) -> None:
    first, second = unique("reload"), unique("reload")
    spend(kafka, first, 30, 20)
    running.catch_up(kafka)
    running.policy.write_text(policy_file(money(60)))
    says(running, "are in force")
    ends = kafka.ends()
    spend(kafka, second, 59)
    spend(kafka, first, 10, at=2)
    assert paused(kafka, first) == (60, 60)
    running.catch_up(kafka)
    assert not kafka.commands(second)

    version = IN_FORCE.findall(running.said)[-1]
    until(lambda: running.metric("andon_policy_info", version=version) == 1, "its version shown")
    assert running.metric("andon_policy_valid") == 1
    audits = policy_audits(kafka, running, "policy-changed")
    sources = [audit.source for audit in audits if audit.source and audit.source.topic == EVENTS]
    assert {(source.partition, source.offset) for source in sources} == set(ends.items())
    assert {audit.policies for audit in audits} == {version}
    assert len({audit.previous_policies for audit in audits} - {version}) == 1


def test_a_bad_version_changes_nothing_and_is_told(
    kafka: Kafka, running: Monitor, unique: Unique
) -> None:
    mistakes = policy_file(money(60)).replace("value", "speed").replace("over: 1h", "over: soon")
    running.policy.write_text(mistakes)
    says(running, "policies not changed")
    file = re.escape(str(running.policy))
    for field in ("over", "rate"):
        assert re.search(rf"{file}:\d+: policies\[0\]\.rules\[0\]\.{field}: ", running.said)
    assert running.metric("andon_policy_valid") == 0
    workflow = unique("reload")
    spend(kafka, workflow, 60, 39, 1)
    assert paused(kafka, workflow) == (100, 100)

    (audit,) = policy_audits(kafka, running, "policy-refused")
    assert audit.reason
    (alert,) = [alert for alert in kafka.alerts(EVERY_WORKFLOW) if alert.reason == audit.reason]
    assert (alert.kind, alert.severity) == ("policy_refused", "error")
    assert alert.title.startswith("Policies not changed: 2 mistakes; ")
    assert alert.resume == f"andon policy check {running.policy}"

    running.policy.write_text(policy_file(money(60)))
    says(running, "are in force")
    assert running.metric("andon_policy_valid") == 1


def test_two_quick_changes_end_with_the_second(
    kafka: Kafka, running: Monitor, unique: Unique
) -> None:
    for bound in (70, 80):
        running.policy.write_text(policy_file(money(bound)))
        running.hang_up()
    says(running, "are in force")
    until(lambda: running.metric("andon_policy_info") == 1, "one version to hold everywhere")
    workflow = unique("reload")
    spend(kafka, workflow, 75, 5)
    assert paused(kafka, workflow) == (80, 80)


def test_a_file_that_goes_and_comes_back_as_editors_write_it(
    kafka: Kafka, running: Monitor, unique: Unique
) -> None:
    before = running.policy.read_text()
    running.policy.unlink()
    says(running, "cannot be read: ")
    assert running.metric("andon_policy_valid") == 0
    running.policy.write_text(before)
    says(running, "as before")
    assert running.metric("andon_policy_valid") == 1
    assert not IN_FORCE.search(running.said)

    beside = running.policy.with_suffix(".tmp")
    beside.write_text(policy_file(money(50)))
    beside.replace(running.policy)
    says(running, "are in force")
    workflow = unique("reload")
    spend(kafka, workflow, 50)
    assert paused(kafka, workflow) == (50, 50)


def test_a_monitor_goes_by_what_was_pushed(own_kafka: Kafka, tmp_path: Path) -> None:
    file = tmp_path / "pushed.yaml"

    def push(at_least: float) -> None:
        file.write_text(policy_file(money(at_least)))
        andon(own_kafka, "policy", "push", str(file))

    with Monitor(own_kafka.address, tmp_path, None, "--no-alerts") as monitor:
        says(monitor, "waiting: andon.policies:1: policies: holds no policies; run")
        push(100)
        says(monitor, "watching")
        spend(own_kafka, "reload-1", 60, 39)
        monitor.catch_up(own_kafka)
        push(60)
        says(monitor, "are in force")
        spend(own_kafka, "reload-2", 60)
        assert paused(own_kafka, "reload-2") == (60, 60)

        with KafkaProducer(bootstrap_servers=own_kafka.address) as producer:
            producer.send(POLICIES, b'{"name": "odd"}', b"odd").get(PATIENCE_S)
        says(monitor, "odd: was not written by `andon policy push`")
        assert monitor.metric("andon_policy_valid") == 0
        spend(own_kafka, "reload-3", 60)
        assert paused(own_kafka, "reload-3") == (60, 60)
        andon(own_kafka, "policy", "push", str(file), "--prune")
        says(monitor, "as before")
        assert monitor.metric("andon_policy_valid") == 1
        assert monitor.stop() == 0


def test_policies_are_from_one_place(kafka: Kafka, tmp_path: Path) -> None:
    both = ("--policies-from-topic", "--policy", str(tmp_path / "p.yaml"))
    assert "policies are from one place" in andon(kafka, "monitor", *both, status=2)
