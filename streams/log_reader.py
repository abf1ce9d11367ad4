"""Reads stretches of the event log a second time, beside the group that consumes it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from faust.types import TP

from andon.errors import BrokerError
from streams.batch import Batch

RECORDS_MAX = 500
"""Records in a batch: few, because the events of now wait while they are taken."""

Read = Callable[[TP, int, int], AsyncIterator[Batch]]
"""The records of a partition from one offset to before another, as batches of a replay."""


@asynccontextmanager
async def open_reader(bootstrap_servers: str) -> AsyncIterator[Read]:
    """A reader with a connection of its own.

    Raises:
        BrokerError: the broker is not there, or went away.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )

    async def read(tp: TP, start: int, end: int) -> AsyncIterator[Batch]:
        consumer.assign([tp])
        consumer.seek(tp, start)  # where retention has taken it, the log begins later
        while await consumer.position(tp) < end:
            fetched = await consumer.getmany(timeout_ms=200, max_records=RECORDS_MAX)
            records = [record for record in fetched.get(tp, []) if record.offset < end]
            if records:
                yield Batch.of(tp.topic, tp.partition, end, records)

    try:
        await consumer.start()
        yield read
    except (KafkaError, OSError) as error:
        raise BrokerError(f"the broker went away while reading: {error!r}") from None
    finally:
        await consumer.stop()
