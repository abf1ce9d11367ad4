"""Which names events have borne, so that a policy's globs can be held against them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from andon.errors import BrokerError, EventError
from andon.policy_review import NAMED, Known
from andon.topics import EVENTS
from detectors.wire import read_event

NAMES_MAX = 100_000
"""Different names of a field; with more of them, its names count as not known."""
NEWEST = 50_000
"""Events of a partition that are looked at, from its end."""


class Seen:
    """The names in the events that were added."""

    def __init__(self) -> None:
        self.events = 0
        self._names: dict[str, set[str]] = {field: set() for field in NAMED}

    def add(self, values: Iterable[bytes | None]) -> None:
        """Take in raw records; what is no event, as far as its names show, is passed over."""
        for value in values:
            try:
                event = read_event(value)
            except EventError:
                continue
            self.events += 1
            for field, names in self._names.items():
                name = getattr(event, field)
                if name is not None and len(names) <= NAMES_MAX:
                    names.add(str(name))

    @property
    def known(self) -> Known:
        """The names by field; nothing is known of a field that has too many, or without events."""
        if not self.events:
            return {}
        return {field: names for field, names in self._names.items() if len(names) <= NAMES_MAX}


def newest_events(bootstrap_servers: str) -> Iterator[list[bytes | None]]:
    """The values of the newest records of each partition of the event topic.

    Raises:
        BrokerError: the broker went away, or lacks the topic.
    """
    try:
        consumer = KafkaConsumer(bootstrap_servers=bootstrap_servers, enable_auto_commit=False)
    except (KafkaError, ValueError) as error:
        raise BrokerError(f"no Kafka broker answers at {bootstrap_servers}") from error
    try:
        numbers = consumer.partitions_for_topic(EVENTS)
        if not numbers:
            raise BrokerError(f"the broker has no topic {EVENTS}: run `andon topics apply`")
        partitions = [TopicPartition(EVENTS, number) for number in sorted(numbers)]
        consumer.assign(partitions)
        firsts, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        for at in partitions:
            consumer.seek(at, max(firsts[at], ends[at] - NEWEST))
        while any(consumer.position(at) < ends[at] for at in partitions):
            for records in consumer.poll(timeout_ms=200).values():
                yield [record.value for record in records]
    except KafkaError as error:
        raise BrokerError(f"the broker at {bootstrap_servers} failed: {error}") from error
    finally:
        consumer.close()
