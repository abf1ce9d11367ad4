from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import MessageSizeTooLargeError
from typer.testing import CliRunner

from andon.cli.topics import app
from andon.errors import BrokerError
from andon.topics import COMMANDS, DEAD_LETTERS, EVENTS, POLICIES, TOPICS
from streams import topics
from streams.broker import EmbeddedBroker
from streams.settings import Settings
from streams.topics import Drift, apply, wanted_config

SETTINGS = Settings()
NAMES = [spec.name for spec in TOPICS]
NOBODY = "127.0.0.1:1"
LARGEST_EVENT = b"x" * 1_048_400


def existing(address: str) -> set[str]:
    with KafkaAdminClient(bootstrap_servers=address) as admin:
        return {name for name in admin.list_topics() if not name.startswith("__")}


def test_the_topics_are_those_of_the_contract() -> None:
    assert {(spec.name, spec.key, spec.kept) for spec in TOPICS} == {
        ("execute.events", "workflow", "time"),
        ("andon.commands", "workflow", "compacted"),
        ("andon.acks", "workflow", "time"),
        ("andon.heartbeats", "workflow", "short"),
        ("andon.audit", "workflow", "long"),
        ("andon.alerts", "workflow", "time"),
        ("andon.dead-letters", "as received", "long"),
        ("andon.policies", "policy name", "compacted"),
        ("andon.approvals", "workflow", "time"),
        ("andon.scopes", "scope", "time"),
        ("andon.permits", "workflow", "compacted"),
    }


def test_apply_creates_what_is_missing_and_is_then_content(own_broker: EmbeddedBroker) -> None:
    address = own_broker.bootstrap_servers
    assert apply(address, SETTINGS, check_only=True) == [
        Drift(name, "topic", "present", "missing") for name in NAMES
    ]
    assert existing(address) == set()

    assert apply(address, SETTINGS) == []

    assert existing(address) == set(NAMES)
    assert apply(address, SETTINGS, check_only=True) == []
    with KafkaAdminClient(bootstrap_servers=address) as admin:
        described = {topic["name"]: topic for topic in admin.describe_topics(NAMES)}
    assert len(described[EVENTS]["partitions"]) == SETTINGS.partitions
    assert len(described[POLICIES]["partitions"]) == 1


def test_nothing_is_compressed_that_a_guard_could_not_read() -> None:
    assert {wanted_config(spec, SETTINGS)["compression.type"] for spec in TOPICS} == {"producer"}


def test_apply_reports_drift_and_changes_nothing(own_broker: EmbeddedBroker) -> None:
    address = own_broker.bootstrap_servers
    with KafkaAdminClient(bootstrap_servers=address) as admin:
        admin.create_topics(
            {
                EVENTS: {"num_partitions": 2, "replication_factor": 1},
                COMMANDS: {
                    "num_partitions": SETTINGS.partitions,
                    "replication_factor": 1,
                    "configs": {"cleanup.policy": "delete", "max.message.bytes": "5000"},
                },
            }
        )
    drift = [
        Drift(EVENTS, "partitions", str(SETTINGS.partitions), "2"),
        Drift(EVENTS, "message.timestamp.type", "LogAppendTime", "CreateTime"),
        Drift(COMMANDS, "cleanup.policy", "compact", "delete"),
        Drift(COMMANDS, "max.message.bytes", "1048588", "5000"),
        Drift(COMMANDS, "message.timestamp.type", "LogAppendTime", "CreateTime"),
    ]
    assert apply(address, SETTINGS) == drift
    assert apply(address, SETTINGS) == drift


def test_settings_decide_partitions_replication_and_retention(own_broker: EmbeddedBroker) -> None:
    address = own_broker.bootstrap_servers
    apply(address, SETTINGS)
    other = Settings(partitions=5, replication=2, events_retention_days=1, audit_retention_days=2)

    drifts = set(apply(address, other))

    assert Drift(EVENTS, "partitions", "5", "4") in drifts
    assert Drift(EVENTS, "retention.ms", "86400000", "604800000") in drifts
    assert Drift(DEAD_LETTERS, "retention.ms", "172800000", "34560000000") in drifts
    assert {drift.topic for drift in drifts if drift.setting == "replication"} == set(NAMES)
    assert not {drift for drift in drifts if drift[:2] == (COMMANDS, "retention.ms")}


def test_what_the_broker_refuses_stays_missing_with_its_reason(own_broker: EmbeddedBroker) -> None:
    drifts = apply(own_broker.bootstrap_servers, Settings(replication=2))
    assert [(drift.topic, drift.setting) for drift in drifts] == [(name, "topic") for name in NAMES]
    assert all("replication factor of 2" in drift.found for drift in drifts)


def test_several_may_apply_at_once(own_broker: EmbeddedBroker) -> None:
    addresses = [own_broker.bootstrap_servers] * 4
    with ThreadPoolExecutor(len(addresses)) as pool:
        assert list(pool.map(lambda address: apply(address, SETTINGS), addresses)) == [[]] * 4


def test_dead_letters_hold_the_largest_event_whole(own_broker: EmbeddedBroker) -> None:
    address = own_broker.bootstrap_servers
    apply(address, SETTINGS)
    reason = [("reason", b"not JSON " * 500)]

    def write(topic: str, value: bytes) -> int:
        producer = KafkaProducer(bootstrap_servers=address, max_request_size=4 * 1024**2)
        offset: int = producer.send(topic, value, b"k", reason).get(30).offset
        producer.close()
        return offset

    assert write(EVENTS, LARGEST_EVENT[: -len(reason[0][1])]) == 0
    with pytest.raises(MessageSizeTooLargeError):
        write(EVENTS, LARGEST_EVENT)
    assert write(DEAD_LETTERS, LARGEST_EVENT) == 0


def test_events_carry_the_time_at_which_the_broker_appended_them(
    own_broker: EmbeddedBroker,
) -> None:
    address = own_broker.bootstrap_servers
    apply(address, SETTINGS)
    before_ms = int(time.time() * 1000)
    producer = KafkaProducer(bootstrap_servers=address)
    producer.send(EVENTS, b"{}", partition=0, timestamp_ms=1).get(30)
    producer.close()
    consumer = KafkaConsumer(bootstrap_servers=address, consumer_timeout_ms=30_000)
    consumer.assign([TopicPartition(EVENTS, 0)])
    consumer.seek_to_beginning()
    timestamp_ms = next(consumer).timestamp
    consumer.close()
    assert before_ms <= timestamp_ms <= time.time() * 1000


def test_the_command_creates_reports_and_tells_by_its_status(own_broker: EmbeddedBroker) -> None:
    def run(*arguments: str, **env: str) -> tuple[int, str]:
        address = ["--bootstrap-servers", own_broker.bootstrap_servers]
        result = CliRunner().invoke(app, ["apply", *address, *arguments], env=env)
        return result.exit_code, result.stdout

    def states() -> tuple[int, list[list[str]]]:
        status, text = run()
        return status, [line.split() for line in text.splitlines()[1:]]

    status, text = run("--check")
    assert (status, text.count("missing, should be present")) == (1, len(NAMES))
    assert existing(own_broker.bootstrap_servers) == set()
    assert states() == (0, [[name, "created"] for name in NAMES])
    assert states() == (0, [[name, "ok"] for name in NAMES])

    status, text = run("--json", ANDON_EVENTS_RETENTION_DAYS="1")
    assert status == 1
    assert json.loads(text)[0] == {
        "topic": EVENTS,
        "state": "drift",
        "differences": [{"setting": "retention.ms", "wanted": "86400000", "found": "604800000"}],
    }


def test_the_command_draws_a_table_on_a_terminal(own_broker: EmbeddedBroker) -> None:
    code = "from andon.cli.topics import app; app()"
    address = ["--bootstrap-servers", own_broker.bootstrap_servers]
    screen, terminal = pty.openpty()
    command = [sys.executable, "-c", code, "apply", *address]
    status = subprocess.run(command, stdout=terminal, timeout=60).returncode
    drawn = os.read(screen, 65536).decode()
    os.close(terminal)
    os.close(screen)
    assert status == 0
    assert "Topic" in drawn
    assert "│" in drawn
    assert all(name in drawn for name in NAMES)


def test_no_broker_is_told_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    started = time.monotonic()
    result = CliRunner().invoke(app, ["apply", "--bootstrap-servers", NOBODY])
    assert result.exit_code == 2
    assert f"no Kafka broker answers at {NOBODY}" in result.stderr
    assert time.monotonic() - started < 20

    monkeypatch.setattr(topics, "CONNECT_TIMEOUT_MS", 100)
    with pytest.raises(BrokerError, match="no Kafka broker answers at not an address"):
        apply("not an address", SETTINGS)


def test_a_wrong_setting_is_named() -> None:
    result = CliRunner().invoke(app, ["apply"], env={"ANDON_PARTITIONS": "many"})
    assert result.exit_code == 2
    assert "ANDON_PARTITIONS" in result.stderr
