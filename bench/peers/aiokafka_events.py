"""Bare aiokafka `getmany` over the whole topic, which decides nothing; events/s.

python aiokafka_events.py SERVERS TOPIC COUNT FOLDER
"""

from __future__ import annotations

import asyncio
import sys
from time import perf_counter

from aiokafka import AIOKafkaConsumer, TopicPartition


async def main(servers: str, topic: str, count: int) -> float:
    """From the first call to the last record."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
    await consumer.start()
    try:
        await consumer.topics()
        numbers = sorted(consumer.partitions_for_topic(topic))
        consumer.assign([TopicPartition(topic, number) for number in numbers])
        await consumer.seek_to_beginning()
        read, started = 0, perf_counter()
        while read < count:
            batches = await consumer.getmany(timeout_ms=1000, max_records=10_000)
            read += sum(map(len, batches.values()))
        return count / (perf_counter() - started)
    finally:
        await consumer.stop()


if __name__ == "__main__":
    print(asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
