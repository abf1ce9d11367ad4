"""A consumer that waits for records, over a real broker."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.protocol.fetch import FetchRequest

from andon.rest import REST_S
from andon.topics import EVENTS
from streams.rest import rest_when_idle


class Asked:
    """Counts the fetches of a started consumer."""

    def __init__(self, consumer: Any) -> None:
        self.times = 0
        self._send = consumer._client.send
        consumer._client.send = self._count

    async def _count(self, node: int, request: Any, **options: Any) -> Any:
        self.times += isinstance(request, FetchRequest)
        return await self._send(node, request, **options)


def test_an_idle_consumer_asks_every_10_ms_at_most_and_hears_what_comes(
    broker: str,
) -> None:
    async def idle() -> None:
        consumer = AIOKafkaConsumer(bootstrap_servers=broker, auto_offset_reset="latest")
        await consumer.start()
        rest_when_idle(consumer)
        at = TopicPartition(EVENTS, 0)
        consumer.assign([at])
        await consumer.position(at)
        asked, began = Asked(consumer), monotonic()
        assert await consumer.getmany(timeout_ms=500) == {}
        assert 1 <= asked.times <= (monotonic() - began) / REST_S + 1
        async with AIOKafkaProducer(bootstrap_servers=broker) as producer:
            await producer.send_and_wait(EVENTS, b"awaited", partition=0)
        assert (await consumer.getone()).value == b"awaited"
        await consumer.stop()

    asyncio.run(idle())
