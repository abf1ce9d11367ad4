"""What tests over a real broker share: programs in their own processes, both ends of topics."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from andon import Event, topics
from andon.commands import Ack, Command
from andon.events import parse_event

WAIT_S = 60.0  # longer than Apache Kafka waits for a member that died


@contextmanager
def program(source: str, address: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A Python program in a process of its own, killed where it outlives the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source)],
        env=os.environ | {"KAFKA_BOOTSTRAP_SERVERS": address} | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> str:
    """What the program printed; it must end well and be silent on standard error."""
    printed, complaints = process.communicate(timeout=WAIT_S)
    assert (process.returncode, complaints) == (0, ""), complaints
    return printed


def run(source: str, address: str, **environment: str) -> str:
    """As `ended`, of a program that needs nobody."""
    with program(source, address, **environment) as process:
        return ended(process)


def records(address: str, topic: str, key: str) -> list[bytes]:
    """The values of all records under the key that the topic holds now."""
    consumer = KafkaConsumer(bootstrap_servers=address, enable_auto_commit=False)
    try:
        found = consumer.partitions_for_topic(topic) or set()
        partitions = [TopicPartition(topic, partition) for partition in found]
        if not partitions:
            return []
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        ends = consumer.end_offsets(partitions)
        values = []
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for batch in consumer.poll(timeout_ms=200).values():
                values += [record.value for record in batch if record.key == key.encode()]
        return values
    finally:
        consumer.close()


def events(address: str, workflow: str) -> list[Event]:
    return [parse_event(value) for value in records(address, topics.EVENTS, workflow)]


def acks(address: str, workflow: str) -> list[Ack]:
    return [Ack.model_validate_json(v) for v in records(address, topics.ACKS, workflow)]


def tell(address: str, *commands: Command) -> None:
    """Write commands as the monitor does."""
    tell_raw(address, *((c.workflow.encode(), c.to_json()) for c in commands))


def tell_raw(
    address: str, *written: tuple[bytes | None, bytes | None], topic: str = topics.COMMANDS
) -> None:
    """Write anything to the topic, that of commands unless said."""
    producer = KafkaProducer(bootstrap_servers=address)
    try:
        sent = [producer.send(topic, key=key, value=value) for key, value in written]
        for record in sent:
            record.get(WAIT_S)
    finally:
        producer.close()


def until(probe: Callable[[], Any], what: str) -> Any:
    """The first true answer of `probe`."""
    deadline = time.monotonic() + WAIT_S
    while not (answer := probe()):
        assert time.monotonic() < deadline, f"waited {WAIT_S:g} s for {what}"
        time.sleep(0.02)
    return answer
