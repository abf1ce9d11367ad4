"""The batch transport over a real broker; every worker is a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import faust
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from faust.exceptions import ImproperlyConfigured

from streams.transport import install

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).with_name("transport_worker.py")
PARTITIONS = 4
PATIENCE_S = 60
# The embedded broker never drops a dead member, and makes dead ones of those that commit while
# another joins: there, only static members can come and go.
DYNAMIC_GROUPS = "KAFKA_BOOTSTRAP_SERVERS" in os.environ


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.05)
    raise AssertionError(f"waited {PATIENCE_S} s for {what}")


class Bench:
    """A topic of its own, workers on it, and what they wrote down."""

    def __init__(self, broker: str, folder: Path) -> None:
        self.broker, self.folder = broker, folder
        self.log = folder / "calls.jsonl"
        self.topic, self.group = f"events-{uuid4().hex[:8]}", f"group-{uuid4().hex[:8]}"
        self.produced = 0
        self.create(self.topic)

    def create(self, topic: str, partitions: int = PARTITIONS) -> None:
        async def create() -> None:
            admin = AIOKafkaAdminClient(bootstrap_servers=self.broker)
            await admin.start()
            await admin.create_topics([NewTopic(topic, partitions, 1)])
            await admin.close()

        asyncio.run(create())

    def produce(self, count: int, topic: str | None = None) -> None:
        """Send the next `count` whole numbers, spread over the partitions."""
        numbers = range(self.produced, self.produced + count)

        async def produce() -> None:
            async with AIOKafkaProducer(bootstrap_servers=self.broker, linger_ms=5) as producer:
                sent = [
                    await producer.send(topic or self.topic, b"%d" % n, partition=n % PARTITIONS)
                    for n in numbers
                ]
                await asyncio.gather(*sent)

        asyncio.run(produce())
        if topic is None:
            self.produced += count

    def committed(self) -> dict[int, int]:
        async def committed() -> dict[Any, Any]:
            admin = AIOKafkaAdminClient(bootstrap_servers=self.broker)
            await admin.start()
            tps = [TopicPartition(self.topic, partition) for partition in range(PARTITIONS)]
            try:
                return await admin.list_consumer_group_offsets(self.group, partitions=tps)
            finally:
                await admin.close()

        offsets = asyncio.run(committed())
        return {tp.partition: at.offset for tp, at in offsets.items() if at.offset >= 0}

    @contextmanager
    def worker(self, **plan: Any) -> Iterator[subprocess.Popen[bytes]]:
        plan = {
            "broker": self.broker,
            "group": self.group,
            "topic": self.topic,
            "log": str(self.log),
            "datadir": str(self.folder / "faust"),
            **plan,
        }
        with (self.folder / "worker.log").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, str(WORKER), json.dumps(plan)],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=output,
                stderr=output,
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def calls(self, call: str, pid: int | None = None) -> list[dict[str, Any]]:
        if not self.log.exists():
            return []
        lines = self.log.read_text().splitlines(keepends=True)
        noted = [json.loads(line) for line in lines if line.endswith("\n")]
        return [n for n in noted if n["call"] == call and pid in (None, n["pid"])]

    def numbers(self, pid: int | None = None) -> list[int]:
        return [n for call in self.calls("process", pid) for n in call["numbers"]]

    def wait_for_all(self) -> None:
        wait_for(lambda: set(self.numbers()) == set(range(self.produced)), "every record")

    def wait_for_commit(self) -> None:
        share = self.produced // PARTITIONS
        ends = dict.fromkeys(range(PARTITIONS), share)
        wait_for(lambda: self.committed() == ends, f"commits at {share}")


@pytest.fixture
def bench(broker: str, tmp_path: Path) -> Bench:
    return Bench(broker, tmp_path)


def stop(worker: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> int:
    worker.send_signal(how)
    return worker.wait(PATIENCE_S)


def test_every_record_comes_once_in_order_and_is_committed(bench: Bench) -> None:
    bench.produce(2000)
    bench.create("echo-" + bench.topic, partitions=1)
    with bench.worker(echo="echo-" + bench.topic) as worker:
        bench.wait_for_all()
        bench.wait_for_commit()
        assert stop(worker) == 0
    assert sorted(bench.numbers()) == list(range(2000))
    for partition in range(PARTITIONS):
        batches = [c for c in bench.calls("process") if c["partition"] == partition]
        assert [b["first"] for b in batches] == [0] + [b["last"] + 1 for b in batches[:-1]]
        assert all(len(b["numbers"]) <= 50 and b["replayed"] == 0 for b in batches)
        assert [n for b in batches for n in b["numbers"]] == list(range(partition, 2000, 4))
    assert bench.calls("assigned")[0]["fetch_wait_ms"] == 250


def test_a_clean_stop_commits_the_batch_in_flight(bench: Bench) -> None:
    bench.produce(2000)
    with bench.worker(slow_s=0.1) as worker:
        wait_for(lambda: len(bench.calls("process")) > 3, "some batches")
        assert stop(worker) == 0
    done = dict.fromkeys(range(PARTITIONS), 0)
    done.update({call["partition"]: call["last"] + 1 for call in bench.calls("process")})
    assert bench.committed() == {p: offset for p, offset in done.items() if offset}
    assert sum(done.values()) < 2000


def test_other_topics_reach_their_agents(bench: Bench) -> None:
    other = "other-" + bench.topic
    bench.create(other)
    bench.produce(200, other)
    bench.produce(200)
    with bench.worker(agent_topic=other) as worker:
        bench.wait_for_all()
        wait_for(lambda: len(bench.calls("agent")) == 200, "the agent")
        assert stop(worker) == 0
    assert sorted(call["value"] for call in bench.calls("agent")) == list(range(200))


@pytest.mark.parametrize("fail_with", ["error", "cancel"])
def test_a_processor_that_fails_stops_the_worker_and_loses_nothing(
    bench: Bench, fail_with: str
) -> None:
    bench.produce(1000)
    with bench.worker(fail_at=500, fail_with=fail_with, slow_s=0.02) as worker:
        assert worker.wait(PATIENCE_S) > 0
    assert 500 not in bench.numbers()
    assert bench.committed()[0] <= 500 // PARTITIONS
    with bench.worker():
        bench.wait_for_all()
        bench.wait_for_commit()


def test_after_a_kill_delivery_goes_on_at_the_committed_offsets(bench: Bench) -> None:
    bench.produce(4000)
    with bench.worker(slow_s=0.03, instance="one") as killed:
        wait_for(lambda: len(bench.committed()) == PARTITIONS, "the first commits")
        stop(killed, signal.SIGKILL)
    committed = bench.committed()
    assert sum(committed.values()) < 4000
    with bench.worker(instance="one") as worker:
        bench.wait_for_all()
        bench.wait_for_commit()
    first = {call["partition"]: call["first"] for call in reversed(bench.calls("process"))}
    assert first == dict.fromkeys(range(PARTITIONS), 0)
    resumed = {c["partition"]: c["first"] for c in reversed(bench.calls("process", worker.pid))}
    assert resumed == committed


def test_a_second_worker_takes_its_share_at_the_committed_offsets(bench: Bench) -> None:
    bench.produce(6000)
    with bench.worker(slow_s=0.05, instance="one") as one:
        wait_for(lambda: len(bench.calls("process", one.pid)) > 5, "the first worker")
        with bench.worker(slow_s=0.05, instance="two") as two:
            wait_for(lambda: bench.calls("process", two.pid), "the second worker")
            bench.wait_for_all()
            bench.wait_for_commit()
    assert bench.calls("revoked", one.pid)[0]["partitions"] == [0, 1, 2, 3]
    for worker in (one, two):
        last = bench.calls("assigned", worker.pid)[-1]
        assert len(last["committed"]) == 2
        later = [c for c in bench.calls("process", worker.pid) if c["at"] > last["at"]]
        first = {str(c["partition"]): c["first"] for c in reversed(later)}
        assert first == last["committed"]


@pytest.mark.skipif(not DYNAMIC_GROUPS, reason="KAFKA_BOOTSTRAP_SERVERS names no Kafka")
def test_dynamic_members_share_and_give_back_without_a_duplicate(bench: Bench) -> None:
    bench.produce(6000)
    with bench.worker(slow_s=0.05) as one:
        wait_for(lambda: len(bench.calls("process", one.pid)) > 5, "the first worker")
        with bench.worker(slow_s=0.05) as two:
            wait_for(lambda: len(bench.calls("process", two.pid)) > 5, "the second worker")
            bench.wait_for_all()
            assert stop(two) == 0
        assigned = [len(call["committed"]) for call in bench.calls("assigned", one.pid)]
        assert assigned[:2] == [4, 2]
        bench.produce(400)
        bench.wait_for_all()
        bench.wait_for_commit()
        assert stop(one) == 0
    # A revoked partition is committed as far as it was processed: nothing comes twice.
    assert len(bench.numbers()) == bench.produced


def test_a_replay_is_marked_and_commits_never_move_back(bench: Bench) -> None:
    bench.produce(2000)
    with bench.worker(instance="one") as worker:
        bench.wait_for_commit()
        assert stop(worker) == 0
    bench.produce(200)
    with bench.worker(instance="one", start=0, slow_s=0.05) as killed:
        wait_for(lambda: len(bench.calls("process", killed.pid)) > 10, "some of the replay")
        stop(killed, signal.SIGKILL)
    assert bench.committed() == dict.fromkeys(range(PARTITIONS), 500)
    with bench.worker(instance="one", start=0) as worker:
        bench.wait_for_commit()
        assert stop(worker) == 0
    again = bench.calls("process", worker.pid)
    assert bench.calls("assigned", worker.pid)[0]["committed"] == dict.fromkeys("0123", 500)
    assert all(call["committed"] == 500 for call in again)
    assert sum(call["replayed"] for call in again) == 2000
    assert sorted(bench.numbers(worker.pid)) == list(range(2200))


@pytest.mark.parametrize(
    "plan",
    [
        {"start": 5},
        {
            "assigned_s": 3600,
            "settings": {"broker_session_timeout": 6, "broker_request_timeout": 6},
        },
    ],
    ids=["beyond", "late"],
)
def test_a_bad_answer_to_assigned_stops_the_worker(bench: Bench, plan: dict[str, Any]) -> None:
    bench.produce(40)
    with bench.worker(**plan) as worker:
        assert worker.wait(PATIENCE_S) > 0
    assert bench.numbers() == []


@pytest.mark.parametrize(
    "setting", [{"consumer_auto_offset_reset": "latest"}, {"processing_guarantee": "exactly_once"}]
)
def test_settings_that_lose_records_are_refused(setting: dict[str, str], tmp_path: Path) -> None:
    app = faust.App("settings", broker="kafka://127.0.0.1:1", datadir=tmp_path, **setting)
    with pytest.raises(ImproperlyConfigured, match=next(iter(setting))):
        install(app, ["events"], object())
