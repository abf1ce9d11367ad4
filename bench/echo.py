"""One hop without a decision: every record that comes in goes out, or its time is told.

python -m bench.echo SERVERS FROM [TO]
"""

from __future__ import annotations

import asyncio
import sys
from time import monotonic_ns

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

THERE, BACK = "bench.there", "bench.back"


def create(servers: str) -> None:
    """The two topics."""
    admin = KafkaAdminClient(bootstrap_servers=servers)
    admin.create_topics([NewTopic(name, 1, 1) for name in (THERE, BACK)])
    admin.close()


async def main(servers: str, source: str, to: str | None = None) -> None:
    """Ends when it is killed."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all")
    await consumer.start()
    await producer.start()
    at = TopicPartition(source, 0)
    consumer.assign([at])
    await consumer.seek_to_end()
    await consumer.position(at)
    print("ready", flush=True)
    async for record in consumer:
        if to is None:
            print(monotonic_ns(), flush=True)
        else:
            await producer.send_and_wait(to, record.value)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
