"""A worker whose processor writes down what it is given, one JSON line a call.

Run as a process by test_transport.py, with its plan as the only argument.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any

import faust
from faust.types import TP

from streams.transport import APP_SETTINGS, install


class Recorder:
    """Writes down what it is given, and misbehaves as `plan` says."""

    def __init__(self, app: faust.App, log: int, plan: dict[str, Any]) -> None:
        self.app, self.log, self.plan = app, log, plan

    def note(self, **fields: Any) -> None:
        os.write(
            self.log,
            json.dumps({"pid": os.getpid(), "at": time.monotonic(), **fields}).encode() + b"\n",
        )

    async def assigned(self, committed: dict[Any, int]) -> dict[Any, int]:
        fetcher = self.app.consumer._thread._consumer._fetcher
        self.note(
            call="assigned",
            committed={tp.partition: offset for tp, offset in committed.items()},
            fetch_wait_ms=fetcher._fetch_max_wait_ms,
            known_ends=[self.app.consumer.known_end(TP(self.plan["topic"], n)) for n in range(4)],
        )
        await asyncio.sleep(self.plan.get("assigned_s", 0))
        return dict.fromkeys(committed, self.plan["start"]) if "start" in self.plan else {}

    async def process(self, batch: Any) -> None:
        self.note(call="begin", partition=batch.partition, first=batch.first)
        await asyncio.sleep(self.plan.get("slow_s", 0))
        numbers = [int(value) for value in batch.values]
        if self.plan.get("fail_at") in numbers:
            raise self.plan["fail_with"]
        if echo := self.plan.get("echo"):
            await self.app.producer.send_and_wait(
                echo, None, str(len(batch)).encode(), None, None, None
            )
        self.note(
            call="process",
            partition=batch.partition,
            first=batch.first,
            last=batch.last,
            committed=batch.committed,
            replayed=batch.replayed,
            numbers=numbers,
        )

    async def revoked(self, partitions: set[Any]) -> None:
        self.note(call="revoked", partitions=sorted(tp.partition for tp in partitions))


def run_worker(plan: dict[str, Any]) -> None:
    settings = {**APP_SETTINGS, "broker_max_poll_records": 50, **plan.get("settings", {})}
    app = faust.App(
        plan["group"],
        broker=f"kafka://{plan['broker']}",
        datadir=plan["datadir"],
        web_enabled=False,
        consumer_group_instance_id=plan.get("instance"),
        **settings,
    )
    log = os.open(plan["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    errors = {"error": ValueError("no"), "cancel": asyncio.CancelledError()}
    plan["fail_with"] = errors.get(plan.get("fail_with", ""))
    recorder = Recorder(app, log, plan)
    install(app, [plan["topic"]], recorder)
    if other := plan.get("agent_topic"):

        @app.agent(app.topic(other, value_type=bytes, value_serializer="raw"))
        async def remember(stream: Any) -> None:
            async for value in stream:
                recorder.note(call="agent", value=int(value))

    app.Worker(loglevel="INFO").execute_from_commandline()


if __name__ == "__main__":
    run_worker(json.loads(sys.argv[1]))
