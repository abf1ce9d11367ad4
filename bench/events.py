"""A full topic to read: seeded events of 14 fields, about 370 bytes each."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from aiokafka import AIOKafkaProducer

START = datetime(2026, 1, 1, tzinfo=UTC)


def events(
    count: int, workflows: int, seed: int = 1, per_s: float | None = None
) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values, 3% errors, 2% reversals; 4 events a second of each workflow, or `per_s`."""
    chance = random.Random(seed)
    step = timedelta(seconds=1 / (per_s or 4 * workflows))
    for number in range(count):
        workflow = f"refunds-{chance.randrange(workflows)}"
        undoes = number > 1000 and chance.random() < 0.02
        event = {
            "event_id": f"0198b2c4-0000-7000-8000-{number:012d}",
            "ts": (START + number * step).isoformat(timespec="milliseconds")[:23] + "Z",
            "workflow": workflow,
            "automation": "refund-bot",
            "capability": "transact",
            "action": "refund.create",
            "target": f"ch_{chance.randrange(10**8):08d}",
            "outcome": "error" if chance.random() < 0.03 else "success",
            "value": round(chance.lognormvariate(3, 1), 2),
            "currency": "USD",
            "reverses": f"0198b2c4-0000-7000-8000-{number - 999:012d}" if undoes else None,
            "by": "human" if undoes else "automation",
            "mode": "live",
            "labels": {"region": "eu-west-1"},
        }
        yield workflow.encode(), json.dumps(event, separators=(",", ":")).encode()


async def fill(bootstrap_servers: str, topic: str, count: int, workflows: int) -> None:
    """Write the events to a topic."""
    # Compressed: the embedded broker rewrites all its data whenever an offset is committed, and
    # would otherwise be what is measured.
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers,
        linger_ms=20,
        max_batch_size=256 * 1024,
        compression_type="gzip",
    )
    await producer.start()
    try:
        waiting = []
        for key, value in events(count, workflows):
            waiting.append(await producer.send(topic, value, key=key))
            if len(waiting) == 20_000:
                await asyncio.gather(*waiting)
                waiting.clear()
        await asyncio.gather(*waiting)
    finally:
        await producer.stop()
