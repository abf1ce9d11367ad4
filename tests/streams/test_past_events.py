"""`andon report` about what the broker holds: the same code as over a file."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from andon.policy_file import parse_policies
from andon.topics import EVENTS
from streams.broker import EmbeddedBroker
from streams.past_events import past_events
from streams.policy_topic import push
from streams.settings import Settings
from streams.topics import apply
from tests.eventlog import line

POLICY = """\
version: 1
policies:
  - name: refunds
    match: {workflow: "refunds*"}
    mode: shadow
    rules:
      - {name: burst, rate: volume, over: 1m, at_least: 2}
"""
LOG = [
    (
        f"refunds-{n % 5}",
        line(f"e{n}", n * 7, value=40, currency="USD", workflow=f"refunds-{n % 5}"),
    )
    for n in range(200)
]


@pytest.fixture
def servers(own_broker: EmbeddedBroker) -> str:
    apply(own_broker.bootstrap_servers, Settings())
    return own_broker.bootstrap_servers


@pytest.fixture
def producer(servers: str) -> Iterator[KafkaProducer]:
    client = KafkaProducer(bootstrap_servers=servers)
    yield client
    client.close()


def report(*args: object, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", "from andon.cli import main; main()", "report"]
    return subprocess.run(
        [*command, *map(str, args)],
        env=os.environ | environment,
        capture_output=True,
        timeout=120,
    )


def test_the_broker_and_a_file_of_the_same_events_give_the_same_report(
    servers: str, producer: KafkaProducer, tmp_path: Path
) -> None:
    policy, log = tmp_path / "policy.yaml", tmp_path / "log.jsonl"
    policy.write_text(POLICY)
    log.write_bytes(b"\n".join(value for _, value in LOG))
    for workflow, value in LOG:
        producer.send(EVENTS, value, key=workflow.encode())
    producer.send(EVENTS, b"no event", key=b"refunds-1")
    producer.flush()

    from_file = report("--policy", policy, log, "--json", "--resume-after", "5m")
    named = ("--policy", policy, "--json", "--resume-after", "5m")
    from_broker = report(*named, "--bootstrap-servers", servers)
    assert (from_broker.returncode, from_broker.stderr) == (0, b"")
    found, expected = json.loads(from_broker.stdout), json.loads(from_file.stdout)
    assert found["events"].pop("rejected") == 1
    assert expected["events"].pop("rejected") == 0
    assert by_time(found) == by_time(expected)
    assert len(found["pauses"]) > 5

    asyncio.run(push(servers, parse_policies(POLICY), "me"))
    pushed = report("--json", "--resume-after", "5m", KAFKA_BOOTSTRAP_SERVERS=servers)
    assert by_time(json.loads(pushed.stdout))["pauses"] == by_time(expected)["pauses"]


def by_time(found: dict[str, Any]) -> dict[str, Any]:
    pauses = sorted(found["pauses"], key=lambda pause: (pause["tripped"], pause["workflow"]))
    # A log in files has one end, and each partition its own.
    return found | {"pauses": [pause for pause in pauses if pause["resumed"]]}


def test_only_what_was_appended_since_is_read(servers: str, producer: KafkaProducer) -> None:
    def send(n: int) -> int:
        workflow, value = LOG[n]
        future = producer.send(EVENTS, value, key=workflow.encode(), partition=0)
        return int(future.get(timeout=10).timestamp)

    async def held(since: datetime) -> list[bytes | None]:
        values: list[bytes | None] = []
        async for records in past_events(servers, since):
            values += records.values
        return values

    first = [send(n) for n in range(3)]
    since, sent = first[-1], 3
    while since == first[-1]:
        since, sent = send(sent), sent + 1
    wanted = datetime.fromtimestamp(since / 1000, UTC)
    assert asyncio.run(held(wanted)) == [LOG[sent - 1][1]]
    assert len(asyncio.run(held(wanted - timedelta(days=1)))) == sent
    assert asyncio.run(held(datetime.now(UTC) + timedelta(hours=1))) == []


def test_what_is_missing_is_told(servers: str, tmp_path: Path) -> None:
    none = report(KAFKA_BOOTSTRAP_SERVERS=servers)
    assert none.returncode == 2
    assert none.stderr == (
        b"andon report: the broker holds no policies: name a file with --policy\n"
    )
    gone = report(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert (gone.returncode, b"no Kafka broker answers" in gone.stderr) == (2, True)
    (tmp_path / "log").touch()
    for args, words in (
        ((tmp_path / "log",), b"name the policies of the log with --policy"),
        ((tmp_path / "log", "--since", "1d"), b"--since and --bootstrap-servers are not for files"),
        (("--since", "soon"), b"--since: must be a duration"),
    ):
        done = report(*args)
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr
