"""A topic of its own, workers on it as processes, and what they wrote down."""

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

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).with_name("transport_worker.py")
PARTITIONS = 4
PATIENCE_S = 60


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
        self.log, self.output = folder / "calls.jsonl", folder / "worker.log"
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

    def delete(self) -> None:
        async def delete() -> None:
            admin = AIOKafkaAdminClient(bootstrap_servers=self.broker)
            await admin.start()
            await admin.delete_topics([self.topic])
            await admin.close()

        asyncio.run(delete())

    def produce(self, count: int, topic: str | None = None, codec: str | None = None) -> None:
        """Send the next `count` whole numbers, spread over the partitions."""
        numbers = range(self.produced, self.produced + count)

        async def produce() -> None:
            async with AIOKafkaProducer(
                bootstrap_servers=self.broker, linger_ms=5, compression_type=codec
            ) as producer:
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
        with self.output.open("ab") as output:
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

    def wait_for_commit(self, count: int | None = None) -> None:
        share = (count or self.produced) // PARTITIONS
        ends = dict.fromkeys(range(PARTITIONS), share)
        wait_for(lambda: self.committed() == ends, f"commits at {share}")


def stop(worker: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> int:
    worker.send_signal(how)
    return worker.wait(PATIENCE_S)
