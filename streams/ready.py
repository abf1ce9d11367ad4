"""Waiting for a broker that has Andon's topics."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from andon.topics import TOPICS
from streams.topic_reader import CONNECT_TIMEOUT_S

RETRY_S = 2.0


async def wait_for_topics(bootstrap_servers: str, tell: Callable[[str], None]) -> None:
    """Return once the broker answers and has all topics; `tell` hears once what is waited for."""
    quiet = logging.getLogger("aiokafka")
    level = quiet.level
    quiet.setLevel(logging.CRITICAL)  # every attempt would be told
    told = None
    try:
        while obstacle := await _obstacle(bootstrap_servers):
            if obstacle != told:
                tell(f"waiting: {obstacle}")
            told = obstacle
            await asyncio.sleep(RETRY_S)
    finally:
        quiet.setLevel(level)


async def _obstacle(bootstrap_servers: str) -> str | None:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await consumer.start()
            known = await consumer.topics()
    except (KafkaError, OSError, TimeoutError):
        return f"no Kafka broker answers at {bootstrap_servers}"
    finally:
        await consumer.stop()
    missing = ", ".join(spec.name for spec in TOPICS if spec.name not in known)
    return f"the broker has no topic {missing}; run `andon topics apply`" if missing else None
