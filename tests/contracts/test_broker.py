"""What Andon relies on in a broker: the same over the embedded one and over Apache Kafka.

What the embedded broker is known to do differently bears the mark `unlike_embedded`, and fails
there as docs/embedded-broker.md says.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition as Place
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import InvalidRecordError, MessageSizeTooLargeError

from andon.topics import EVENTS
from streams.broker import EmbeddedBroker
from tests.andon.streaming import program, until

Unique = Callable[[str], str]
WAIT_S = 30.0

MEMBER = """
    import os
    from kafka import KafkaConsumer
    consumer = KafkaConsumer(
        os.environ["TOPIC"],
        group_id=os.environ["GROUP"],
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        session_timeout_ms=6000,
    )
    while not consumer.assignment():
        consumer.poll(100)
    print("in", flush=True)
    while True:
        consumer.poll(1000)
"""


def create(address: str, topic: str, partitions: int = 1, **configs: Any) -> str:
    named = {name.replace("_", "."): str(value) for name, value in configs.items()}
    shape = {"num_partitions": partitions, "replication_factor": 1, "configs": named}
    with KafkaAdminClient(bootstrap_servers=address) as admin:
        admin.create_topics({topic: shape})
        admin.wait_for_topics([topic])
    return topic


@contextmanager
def producer(address: str, **settings: Any) -> Iterator[Callable[..., Any]]:
    """Sends a record, and returns what the broker acknowledged."""
    made = KafkaProducer(bootstrap_servers=address, **settings)
    try:
        yield lambda topic, *args, **more: made.send(topic, *args, **more).get(WAIT_S)
    finally:
        made.close(timeout=1)


def held(address: str, topic: str) -> list[Any]:
    """All records of the topic, in order within each partition."""
    consumer = KafkaConsumer(bootstrap_servers=address, enable_auto_commit=False)
    with closing(consumer):
        places = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(places)
        consumer.seek_to_beginning()
        ends = consumer.end_offsets(places)
        records = []
        while any(consumer.position(place) < end for place, end in ends.items()):
            records += [each for batch in consumer.poll(200).values() for each in batch]
    return records


# --- records -----------------------------------------------------------------------------------


def test_a_partition_keeps_the_order_in_which_it_acknowledged(broker: str, unique: Unique) -> None:
    topic = create(broker, unique("ordered"), partitions=2)
    with producer(broker) as send:
        sent = [send(topic, b"%d" % n, key=b"key-%d" % (n % 5)) for n in range(50)]
    for partition in range(2):
        records = [each for each in held(broker, topic) if each.partition == partition]
        expected = [(n, at.offset) for n, at in enumerate(sent) if at.partition == partition]
        assert [(int(each.value), each.offset) for each in records] == expected


def test_an_acknowledged_record_is_before_the_end_of_the_log(broker: str, unique: Unique) -> None:
    topic = create(broker, unique("ends"))
    with producer(broker) as send, closing(KafkaConsumer(bootstrap_servers=broker)) as consumer:
        place = TopicPartition(topic, 0)
        for n in range(20):
            send(topic, b"%d" % n)
            assert consumer.end_offsets([place]) == {place: n + 1}


def test_events_bear_the_brokers_time_whatever_their_producer_says(
    broker: str, unique: Unique
) -> None:
    key, before_ms = unique("stamped").encode(), time.time() * 1000
    with producer(broker) as send:
        for stamp in (1, 10**9):
            send(EVENTS, b"not an event", key=key, timestamp_ms=stamp)
    stamped = [each for each in held(broker, EVENTS) if each.key == key]
    assert [each.timestamp_type for each in stamped] == [1, 1]
    times = [each.timestamp for each in stamped]
    assert before_ms - 1000 <= times[0] <= times[1] <= time.time() * 1000 + 1000


def test_a_record_too_large_is_refused_and_the_next_one_taken(broker: str, unique: Unique) -> None:
    topic = create(broker, unique("small"), max_message_bytes=10_000)
    with producer(broker) as send, pytest.raises(MessageSizeTooLargeError):
        send(topic, bytes(20_000))
    with producer(broker) as send:
        send(topic, bytes(5_000))
    assert [len(each.value) for each in held(broker, topic)] == [5_000]


@pytest.mark.unlike_embedded("it acknowledges from memory and saves later")
def test_what_was_acknowledged_outlives_a_kill(own_broker: EmbeddedBroker) -> None:
    topic = create(own_broker.bootstrap_servers, "kept")
    with producer(own_broker.bootstrap_servers) as send:
        for n in range(100):
            send(topic, b"%d" % n)
        own_broker.kill()
    own_broker.start()
    assert len(held(own_broker.bootstrap_servers, topic)) == 100


# --- topics ------------------------------------------------------------------------------------


def test_compaction_leaves_the_newest_record_of_each_key(broker: str, unique: Unique) -> None:
    compact = {"cleanup_policy": "compact", "segment_ms": 50, "min_cleanable_dirty_ratio": 0.01}
    topic = create(broker, unique("compacted"), **compact)
    with producer(broker) as send:
        for n in range(20):
            last = [send(topic, b"%d" % n, key=b"key-%d" % key).offset for key in range(3)]

        def compacted() -> list[Any]:
            send(topic, b"", key=b"goes on")  # a segment ends where the next one begins
            records = [each for each in held(broker, topic) if each.key != b"goes on"]
            return records if len(records) < 20 else []

        left = until(compacted, "the broker to compact the log")
    newest = {each.key: (each.value, each.offset) for each in left}
    assert newest == {b"key-%d" % key: (b"19", offset) for key, offset in enumerate(last)}


def test_a_compacted_topic_takes_no_record_without_a_key(broker: str, unique: Unique) -> None:
    topic = create(broker, unique("keyed"), cleanup_policy="compact")
    with producer(broker) as send, pytest.raises(InvalidRecordError):
        send(topic, b"value")


def test_who_asks_about_a_topic_does_not_make_it(broker: str, unique: Unique) -> None:
    topic = unique("nobody")
    with closing(KafkaConsumer(bootstrap_servers=broker)) as consumer:
        assert not consumer.partitions_for_topic(topic)
        assert topic not in consumer.topics()


# --- fetches -----------------------------------------------------------------------------------


@pytest.mark.unlike_embedded("it answers an empty fetch at once")
def test_an_empty_fetch_waits_as_long_as_it_was_asked_to(broker: str, unique: Unique) -> None:
    topic = create(broker, unique("quiet"))
    assert asyncio.run(_fetches(broker, topic, 1.0, fetch_max_wait_ms=500)) <= 4


@pytest.mark.unlike_embedded("it ignores the limits of a fetch")
def test_a_fetch_returns_no_more_than_it_was_asked_for(broker: str, unique: Unique) -> None:
    topic = create(broker, unique("large"))
    with producer(broker) as send:
        for _ in range(20):
            send(topic, bytes(50_000))
    limit = {"max_partition_fetch_bytes": 100_000, "auto_offset_reset": "earliest"}
    with closing(KafkaConsumer(topic, bootstrap_servers=broker, **limit)) as consumer:
        first = until(lambda: consumer.poll(100), "a fetch")
    assert sum(map(len, first.values())) <= 2


async def _fetches(broker: str, topic: str, for_s: float, **settings: Any) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=broker, **settings)
    asked = 0
    send = consumer._client.send

    async def count(node: int, request: Any, **options: Any) -> Any:
        nonlocal asked
        asked += type(request).__name__.startswith("FetchRequest")
        return await send(node, request, **options)

    async with consumer:
        consumer._client.send = count
        consumer.assign([Place(topic, 0)])
        await consumer.getmany(timeout_ms=int(for_s * 1000))
        return asked


# --- groups ------------------------------------------------------------------------------------


def test_committed_offsets_outlive_their_group_and_a_restart(own_broker: EmbeddedBroker) -> None:
    address = own_broker.bootstrap_servers
    topic = create(address, "read", partitions=2)
    with producer(address) as send:
        for n in range(10):
            send(topic, b"%d" % n, partition=n % 2)
    settings = {"group_id": "readers", "enable_auto_commit": False, "auto_offset_reset": "earliest"}

    def read() -> list[int]:
        """What the group has not read yet."""
        values: list[int] = []
        with closing(KafkaConsumer(topic, bootstrap_servers=address, **settings)) as consumer:
            ends = consumer.end_offsets([TopicPartition(topic, n) for n in range(2)])

            def at_the_end() -> bool:
                batches = consumer.poll(100).values()
                values.extend(int(record.value) for batch in batches for record in batch)
                return consumer.assignment() == set(ends) and all(
                    consumer.position(place) == end for place, end in ends.items()
                )

            until(at_the_end, "the end of the topic")
            consumer.commit()
        return sorted(values)

    assert read() == list(range(10))
    own_broker.stop()
    own_broker.start()
    with producer(address) as send:
        send(topic, b"10", partition=0)
    assert read() == [10]


def test_a_static_member_that_comes_back_has_its_partitions_and_disturbs_nobody(
    broker: str, unique: Unique
) -> None:
    topic, group = create(broker, unique("static"), partitions=4), unique("group")

    def member(name: str) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            topic,
            bootstrap_servers=broker,
            group_id=group,
            group_instance_id=name,
            heartbeat_interval_ms=200,
        )

    async def come_and_go() -> None:
        one, two = member("one"), member("two")
        await one.start()
        await two.start()
        async with asyncio.timeout(WAIT_S):
            while not len(one.assignment()) == len(two.assignment()) == 2:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        generation, had = one._coordinator.generation, two.assignment()
        await two.stop()
        again = member("two")
        await again.start()
        assert again.assignment() == had
        await asyncio.sleep(1)  # a heartbeat would tell of a rebalance
        assert one._coordinator.generation == generation
        await again.stop()
        await one.stop()

    asyncio.run(come_and_go())


@pytest.mark.unlike_embedded("it never drops a member that died", run=False)
def test_a_member_that_died_is_dropped_after_its_session(broker: str, unique: Unique) -> None:
    topic, group = create(broker, unique("deserted")), unique("group")
    with program(MEMBER, broker, TOPIC=topic, GROUP=group) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        process.send_signal(signal.SIGKILL)
    heir = KafkaConsumer(topic, bootstrap_servers=broker, group_id=group)
    with closing(heir):
        until(lambda: heir.poll(100) or heir.assignment(), "the partition of the dead")
