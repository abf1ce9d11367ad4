"""What is measured, each in a process of its own: `python -m bench.peers NAME SERVERS COUNT`."""

from __future__ import annotations

import asyncio
import sys
from time import perf_counter

from aiokafka import AIOKafkaConsumer, TopicPartition

from andon.topics import EVENTS


async def aiokafka(bootstrap_servers: str, count: int) -> float:
    """Bare `getmany` over the whole topic; events/s."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, enable_auto_commit=False)
    await consumer.start()
    try:
        await consumer.topics()
        numbers = sorted(consumer.partitions_for_topic(EVENTS))
        consumer.assign([TopicPartition(EVENTS, number) for number in numbers])
        await consumer.seek_to_beginning()
        read, started = 0, perf_counter()
        while read < count:
            batches = await consumer.getmany(timeout_ms=1000, max_records=10_000)
            read += sum(map(len, batches.values()))
        return count / (perf_counter() - started)
    finally:
        await consumer.stop()


PEERS = {"aiokafka": aiokafka}

if __name__ == "__main__":
    print(asyncio.run(PEERS[sys.argv[1]](sys.argv[2], int(sys.argv[3]))))
