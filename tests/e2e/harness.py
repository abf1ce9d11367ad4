"""Real processes for end-to-end tests: monitors, guards and commands, and all topics in view."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import yaml
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from andon.commands import Ack, Alert, Audit, Command, Heartbeat
from andon.topics import ACKS, ALERTS, AUDIT, COMMANDS, EVENTS, HEARTBEATS, SCOPES
from tests.andon.streaming import until

ANDON = str(Path(sys.executable).with_name("andon"))
PATIENCE_S = 60.0
METRICS = re.compile(r"metrics on (\S+)")

Record = tuple[bytes | None, bytes | None]
"""Key and value."""


class Kafka:
    """Writes to the event topic and reads all of any topic."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._producer = KafkaProducer(bootstrap_servers=address, linger_ms=5)
        self._consumer = KafkaConsumer(bootstrap_servers=address, enable_auto_commit=False)
        self._groups: dict[str, Any] = {}

    def produce(self, records: Iterable[Record], headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Write to the event topic; returns when the broker has them."""
        sent = [
            self._producer.send(EVENTS, key=key, value=value, headers=list(headers))
            for key, value in records
        ]
        for future in sent:
            future.get(PATIENCE_S)

    def read(self, topic: str) -> list[Any]:
        """All records that the topic holds now, in order within each partition."""
        consumer, partitions = self._consumer, self._partitions(topic)
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        ends = consumer.end_offsets(partitions)
        found = []
        while any(consumer.position(at) < ends[at] for at in partitions):
            for batch in consumer.poll(timeout_ms=200).values():
                found += batch
        return found

    def commands(self, workflow: str) -> list[Command]:
        """Without those that a restarted monitor wrote again."""
        read = [Command.model_validate_json(value) for value in self._of(COMMANDS, workflow)]
        return list({command.command_id: command for command in read}.values())

    def audits(self, workflow: str, kind: str | None = None) -> list[Audit]:
        """Without repetitions, of one kind or all."""
        read = [Audit.model_validate_json(value) for value in self._of(AUDIT, workflow)]
        once = {audit.audit_id: audit for audit in read}.values()
        return [audit for audit in once if kind in (None, audit.kind)]

    def acks(self, workflow: str) -> list[Ack]:
        """All of them."""
        return [Ack.model_validate_json(value) for value in self._of(ACKS, workflow)]

    def heartbeats(self, workflow: str) -> list[Heartbeat]:
        """All of them."""
        return [Heartbeat.model_validate_json(value) for value in self._of(HEARTBEATS, workflow)]

    def alerts(self, workflow: str) -> list[Alert]:
        """Without repetitions."""
        read = [Alert.model_validate_json(value) for value in self._of(ALERTS, workflow)]
        return list({alert.alert_id: alert for alert in read}.values())

    def ends(self, topic: str = EVENTS) -> dict[int, int]:
        """The end of each partition, of the event topic unless said."""
        ends = self._consumer.end_offsets(self._partitions(topic))
        return {at.partition: end for at, end in ends.items()}

    def committed(self, group: str, topic: str = EVENTS) -> dict[int, int]:
        """How far a group has come in each partition, of the event topic unless said."""
        if group not in self._groups:
            self._groups[group] = KafkaConsumer(
                bootstrap_servers=self.address, group_id=group, enable_auto_commit=False
            )
        consumer = self._groups[group]
        return {at.partition: consumer.committed(at) or 0 for at in self._partitions(topic)}

    def close(self) -> None:
        for client in (self._producer, self._consumer, *self._groups.values()):
            client.close()

    def _of(self, topic: str, workflow: str) -> list[bytes]:
        return [record.value for record in self.read(topic) if record.key == workflow.encode()]

    def _partitions(self, topic: str) -> list[TopicPartition]:
        found = self._consumer.partitions_for_topic(topic) or set()
        return [TopicPartition(topic, partition) for partition in sorted(found)]


def policy_file(policies: list[dict[str, Any]]) -> str:
    """The text of a file with these policies."""
    return yaml.safe_dump({"version": 1, "policies": policies})


class Monitor:
    """`andon monitor` as a process; a context manager that leaves none behind.

    `policies` stand in its own file; None: those that the broker holds.
    """

    def __init__(
        self,
        address: str,
        folder: Path,
        policies: list[dict[str, Any]] | None,
        *options: str,
        group: str = "andon-monitor",
        name: str = "monitor",
        **environment: str,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.group = group
        self.log = folder / f"{name}.log"
        self.policy = folder / "policy.yaml"
        place = ["--policies-from-topic"]
        if policies is not None:
            self.policy.write_text(policy_file(policies))
            place = ["--policy", str(self.policy)]
        self._command = [ANDON, "monitor", *place, "--metrics-port", "0", *options]
        self._env = environment | {
            "KAFKA_BOOTSTRAP_SERVERS": address,
            "ANDON_DATA_DIR": str(folder),
            "ANDON_GROUP": group,
            "PYTHONUNBUFFERED": "1",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def run_as(self, *program: str) -> None:
        """Run another program than `andon`, with the same arguments."""
        self._command[:1] = program

    def start(self) -> Monitor:
        """Start it, or start it again; returns at once."""
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, env=os.environ | self._env, stdout=log, stderr=subprocess.STDOUT
            )
        return self

    def hang_up(self) -> None:
        """Send it SIGHUP."""
        self.send(signal.SIGHUP)

    def send(self, what: signal.Signals) -> None:
        """Send it a signal that does not end it."""
        assert self._process is not None
        self._process.send_signal(what)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it; its exit status."""
        assert self._process is not None
        self._process.send_signal(how)
        return self._process.wait(PATIENCE_S)

    def kill(self) -> None:
        """End it as a crash would."""
        self.stop(signal.SIGKILL)

    @property
    def said(self) -> str:
        """What it printed since its start; fails where it has ended."""
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        return self.log.read_text()

    @property
    def metrics_url(self) -> str:
        """Waits for it to serve metrics."""
        return str(until(lambda: METRICS.search(self.said), "the metrics")[1])

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples that carry these labels; 0 where there are none."""
        text = httpx.get(self.metrics_url).text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def partitions(self) -> set[str]:
        """Those that it has."""
        text = httpx.get(self.metrics_url).text
        return set(re.findall(r'^andon_lag_records{partition="(\d+)"}', text, re.MULTILINE))

    def catch_up(self, kafka: Kafka) -> None:
        """Wait until every event is judged, all that follows is written and the offset kept."""
        for topic in (EVENTS, SCOPES):  # the first stage writes for the second one
            ends = kafka.ends(topic)
            until(lambda: self.said and kafka.committed(self.group, topic) == ends, "the monitor")  # noqa: B023

    def __enter__(self) -> Monitor:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process and self._process.poll() is None:
            self.kill()


def andon(kafka: Kafka, *arguments: str, status: int = 0) -> str:
    """Run a command of `andon` to its end; what it printed."""
    done = subprocess.run(
        [ANDON, *arguments],
        env=os.environ | {"KAFKA_BOOTSTRAP_SERVERS": kafka.address},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def status_of(kafka: Kafka, workflow: str) -> dict[str, Any]:
    """What `andon status` says of one workflow."""
    rows: list[dict[str, Any]] = json.loads(andon(kafka, "status", "--json"))["workflows"]
    (row,) = [row for row in rows if row["workflow"] == workflow]
    return row


class Automation:
    """A guarded automation in another process that refunds as often as it is told to.

    `metrics` is the address (host:port) where Prometheus finds its guard's metrics.
    """

    SOURCE = """
import sys
from prometheus_client import start_http_server
from andon import BreakerOpen, Guard
from andon.guard.exporter import export
guard = Guard(automation="refund-bot")
export(guard)
assert guard.ready(30)
server, _ = start_http_server(0, "127.0.0.1")
print(f"127.0.0.1:{server.server_port}", flush=True)
for line in sys.stdin:
    try:
        with guard.attempt("transact", "refund.create", value=float(line), currency="USD"):
            pass
        guard.flush(30)
        print("done", flush=True)
    except BreakerOpen as refusal:
        guard.flush(30)
        print(f"refused, generation {refusal.generation}: {refusal}", flush=True)
guard.close()
"""

    def __init__(self, kafka: Kafka, workflow: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", self.SOURCE],
            env=os.environ | {"KAFKA_BOOTSTRAP_SERVERS": kafka.address, "ANDON_WORKFLOW": workflow},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def refund(self, value: float) -> str:
        """One attempt: `done`, or what the refusal says. Its event is in the log then."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{value}\n")
        self._process.stdin.flush()
        return self._answer()

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()
        self._process.wait(PATIENCE_S)

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def __enter__(self) -> Automation:
        self.metrics = self._answer()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()


Unique = Callable[[str], str]
