"""Reads topics to their present end, without a consumer group, as every guard does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from andon.errors import BrokerError

CONNECT_TIMEOUT_S = 5.0
STALL_TIMEOUT_S = 30.0


class TopicReader:
    """All partitions of some topics; each pass goes on where the last one has ended."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._reading = asyncio.Lock()

    async def new_records(self, *topics: str) -> AsyncIterator[Any]:
        """The records up to the present end, in order within each partition.

        Those of all topics, where none is named: fewer partitions take less time.

        Raises:
            BrokerError: the broker went away, or was silent for 30 s.
        """
        with _told_as_gone():
            async with self._reading:
                async for record in self._to_the_end(topics):
                    yield record

    async def begin_at(self, time_ms: int, topic: str | None = None) -> None:
        """Begin with the records stamped at this time or later, Unix milliseconds; in all topics
        or in one.

        Raises:
            BrokerError: the broker went away.
        """
        partitions = [at for at in self._consumer.assignment() if topic in (None, at.topic)]
        with _told_as_gone():
            found = await self._consumer.offsets_for_times(dict.fromkeys(partitions, time_ms))
            for partition, place in found.items():
                if place is None:
                    await self._consumer.seek_to_end(partition)
                else:
                    self._consumer.seek(partition, place.offset)

    async def begin_with_newest(self, count: int) -> None:
        """Begin so many offsets before the present end of each partition, or with its first.

        Raises:
            BrokerError: the broker went away.
        """
        assigned = self._consumer.assignment()
        with _told_as_gone():
            firsts = await self._consumer.beginning_offsets(assigned)
            ends = await self._consumer.end_offsets(assigned)
        for partition, end in ends.items():
            self._consumer.seek(partition, max(firsts[partition], end - count))

    async def _to_the_end(self, topics: tuple[str, ...]) -> AsyncIterator[Any]:
        assigned = self._consumer.assignment()
        partitions = [at for at in assigned if not topics or at.topic in topics]
        async with asyncio.timeout(STALL_TIMEOUT_S):
            ends = await self._consumer.end_offsets(partitions)
        self._consumer.resume(*partitions)
        clock = asyncio.get_running_loop().time
        heard_at = clock()
        try:
            while await self._behind(ends):
                fetched = await self._consumer.getmany(timeout_ms=200)
                if not fetched and clock() - heard_at > STALL_TIMEOUT_S:
                    raise TimeoutError(f"no record for {STALL_TIMEOUT_S:g} s")
                for records in fetched.values():
                    heard_at = clock()
                    for record in records:
                        yield record
        finally:
            # Between two passes nothing is fetched: the embedded broker answers an empty fetch at
            # once, and a reader that waits would keep it and itself busy.
            self._consumer.pause(*partitions)

    async def _behind(self, ends: dict[TopicPartition, int]) -> bool:
        async with asyncio.timeout(STALL_TIMEOUT_S):
            for partition, end in ends.items():
                if await self._consumer.position(partition) < end:
                    return True
            return False


@contextmanager
def _told_as_gone() -> Iterator[None]:
    try:
        yield
    except (KafkaError, TimeoutError) as error:
        raise BrokerError(f"the broker went away while reading: {error!r}") from None


@asynccontextmanager
async def open_topics(bootstrap_servers: str, *topics: str) -> AsyncIterator[TopicReader]:
    """A reader at the beginning of these topics.

    Raises:
        BrokerError: no broker within 5 s, or a topic is missing.
    """
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, enable_auto_commit=False)
    try:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await consumer.start()
                await _assign(consumer, topics)
        except (KafkaError, OSError, TimeoutError, ValueError):  # ValueError: no address
            raise BrokerError(
                f"no Kafka broker answers at {bootstrap_servers}: start one with `andon broker`, "
                "or name yours in KAFKA_BOOTSTRAP_SERVERS"
            ) from None
        yield TopicReader(consumer)
    finally:
        await consumer.stop()


async def _assign(consumer: Any, topics: tuple[str, ...]) -> None:
    # Apache Kafka tells the consumer itself only of topics that it has subscribed to.
    cluster = await consumer._client.fetch_all_metadata()
    if missing := [topic for topic in topics if topic not in cluster.topics()]:
        raise BrokerError(f"the broker has no topic {', '.join(missing)}: run `andon topics apply`")
    consumer.assign(
        [
            TopicPartition(topic, partition)
            for topic in topics
            for partition in cluster.partitions_for_topic(topic)
        ]
    )
    await consumer.seek_to_beginning()
