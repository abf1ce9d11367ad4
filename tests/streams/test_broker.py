from __future__ import annotations

import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from andon.errors import BrokerError
from streams.broker import EmbeddedBroker, answers

RECORDS = [
    (f"key-{n % 7}".encode(), f"value-{n}".encode() * 50, [("n", str(n).encode())])
    for n in range(500)
]
CLI = [sys.executable, "-c", "import typer; from andon.cli.broker import broker; typer.run(broker)"]
HOLD_A_BROKER = """
import sys, time
from streams.broker import EmbeddedBroker
broker = EmbeddedBroker(sys.argv[1]).start()
print(broker.pid, broker.port, flush=True)
time.sleep(600)
"""


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """The embedded broker, whatever other tests run over."""
    with EmbeddedBroker(tmp_path / "broker") as embedded:
        yield embedded


def write(address: str, topic: str) -> None:
    with KafkaAdminClient(bootstrap_servers=address) as admin:
        admin.create_topics({topic: {"num_partitions": 3, "replication_factor": 1}})
    producer = KafkaProducer(bootstrap_servers=address)
    for key, value, headers in RECORDS:
        producer.send(topic, value, key, headers)
    producer.close()


def read(address: str, topic: str, group: str | None = None) -> list[tuple[bytes, bytes, list]]:
    """Everything in the topic in the order it was written, and the group's offsets committed."""
    consumer = KafkaConsumer(
        bootstrap_servers=address,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic) or ()]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    records = []
    while any(consumer.position(partition) < end for partition, end in ends.items()):
        records += [record for batch in consumer.poll(500).values() for record in batch]
    if group:
        consumer.commit()
    consumer.close()
    found = [(record.key, record.value, record.headers) for record in records]
    return sorted(found, key=lambda record: int(record[2][0][1]))


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.02)


def ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_records_groups_and_topics_survive_a_restart(embedded: EmbeddedBroker) -> None:
    write(embedded.bootstrap_servers, "kept")
    assert read(embedded.bootstrap_servers, "kept", group="readers") == RECORDS

    port = embedded.port
    embedded.stop()
    assert not embedded.running
    assert embedded.start().port == port

    assert read(embedded.bootstrap_servers, "kept") == RECORDS
    again = KafkaConsumer(bootstrap_servers=embedded.bootstrap_servers, group_id="readers")
    committed = [again.committed(TopicPartition("kept", n)) for n in range(3)]
    again.close()
    assert sum(committed) == len(RECORDS)


def test_a_crash_keeps_what_was_saved(embedded: EmbeddedBroker) -> None:
    write(embedded.bootstrap_servers, "saved")
    embedded.stop()
    embedded.start()
    embedded.kill()
    assert not embedded.running

    embedded.start()

    assert read(embedded.bootstrap_servers, "saved") == RECORDS
    write(embedded.bootstrap_servers, "written-after")
    assert read(embedded.bootstrap_servers, "written-after") == RECORDS


def test_brokers_run_side_by_side(embedded: EmbeddedBroker, tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "other") as other:
        assert other.port != embedded.port
        write(embedded.bootstrap_servers, "mine")
        with KafkaAdminClient(bootstrap_servers=other.bootstrap_servers) as admin:
            assert "mine" not in admin.list_topics()


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BrokerError, match=f"port {port} is already in use"):
            EmbeddedBroker(tmp_path, port).start()


def test_a_data_folder_in_use_is_named(embedded: EmbeddedBroker) -> None:
    with pytest.raises(BrokerError, match=f"already running for .*pid {embedded.pid}"):
        EmbeddedBroker(embedded.data_dir).start()
    assert answers("127.0.0.1", embedded.port)


def test_an_impossible_data_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BrokerError, match=r"cannot use the data folder .*file"):
        EmbeddedBroker(tmp_path / "file").start()


def test_the_brokers_last_words_are_told(tmp_path: Path) -> None:
    (tmp_path / "kafka.json").write_text("not what a broker wrote")
    with pytest.raises(BrokerError, match="failed to parse kafka snapshot"):
        EmbeddedBroker(tmp_path).start()


def test_a_missing_extra_tells_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "noida_db", None)
    with pytest.raises(BrokerError, match=r"pip install 'andon\[local\]'"):
        EmbeddedBroker(tmp_path).start()


def test_the_broker_ends_cleanly_when_its_parent_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD_A_BROKER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, port = map(int, parent.stdout.readline().split())
        write(f"127.0.0.1:{port}", "kept")
        parent.kill()
    wait_until(lambda: ended(pid), "end of the broker after its parent")

    with EmbeddedBroker(tmp_path) as again:
        assert read(again.bootstrap_servers, "kept") == RECORDS


def test_stop_does_not_wait_for_forked_children(embedded: EmbeddedBroker) -> None:
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
    child.start()
    try:
        pid = embedded.pid
        embedded.stop()
        assert pid is not None
        assert ended(pid)
    finally:
        child.kill()
        child.join()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_its_address_and_ends_on_a_signal(
    tmp_path: Path, number: signal.Signals
) -> None:
    command = [*CLI, "--port", "0", "--data-dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        host, port = process.stdout.readline().strip().split(":")
        assert answers(host, int(port))
        process.send_signal(number)
        assert process.wait(30) == 0
    assert not answers(host, int(port))


def test_the_command_fails_when_its_broker_dies(tmp_path: Path) -> None:
    command = [*CLI, "--port", "0", "--data-dir", str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        pid = re.search(r"^pid (\d+)$", (tmp_path / "broker.log").read_text(), re.MULTILINE)
        assert pid
        os.kill(int(pid[1]), signal.SIGKILL)
        assert process.wait(30) == 1
        assert "the broker ended with status 137" in process.stderr.read()


def test_the_command_tells_of_a_taken_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [*CLI, "--port", port, "--data-dir", str(tmp_path)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert result.stdout == ""
    assert f"port {port} is already in use" in result.stderr
