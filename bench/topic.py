"""A broker whose event topic is full."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from aiokafka import AIOKafkaProducer

from andon.topics import EVENTS
from streams.broker import EmbeddedBroker
from streams.settings import Settings
from streams.topics import apply


class Place(NamedTuple):
    """Where something is measured."""

    servers: str
    folder: Path


@contextmanager
def broker() -> Iterator[Place]:
    """An embedded broker with Andon's topics, and a folder for whatever else."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker(Path(folder) / "broker") as ours:
        apply(ours.bootstrap_servers, Settings(bootstrap_servers=ours.bootstrap_servers))
        yield Place(ours.bootstrap_servers, Path(folder))


def fill(servers: str, records: Iterable[tuple[bytes, bytes]]) -> None:
    """Write records to the event topic."""
    asyncio.run(_fill(servers, records))


async def _fill(servers: str, records: Iterable[tuple[bytes, bytes]]) -> None:
    # Compressed: the embedded broker rewrites all its data whenever an offset is committed, and
    # would otherwise be what is measured.
    producer = AIOKafkaProducer(
        bootstrap_servers=servers,
        linger_ms=20,
        max_batch_size=256 * 1024,
        compression_type="gzip",
    )
    await producer.start()
    try:
        waiting = []
        for key, value in records:
            waiting.append(await producer.send(EVENTS, value, key=key))
            if len(waiting) == 20_000:
                await asyncio.gather(*waiting)
                waiting.clear()
        await asyncio.gather(*waiting)
    finally:
        await producer.stop()
