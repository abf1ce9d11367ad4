"""Reads what the real parts say: three topics from their beginning, and the monitor's metrics."""

from __future__ import annotations

import math
import time
import urllib.request
from types import TracebackType
from typing import Any, NamedTuple

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from prometheus_client.parser import text_string_to_metric_families

from andon.commands import Ack, Command
from andon.events import parse_event
from andon.topics import ACKS, COMMANDS, EVENTS
from demo.story import Story

SCRAPE_EVERY_S = 0.25


class Standing(NamedTuple):
    """A rule's rate as the monitor last saw it, and its bound."""

    rate: str
    observed: float
    bound: float

    @property
    def share(self) -> float:
        """How much of the bound is reached, 1 at the most."""
        return min(self.observed / self.bound, 1.0)


class Watcher:
    """A context manager: tells a story what it reads, as any consumer could."""

    def __init__(self, bootstrap_servers: str, story: Story) -> None:
        self._story = story
        self._consumer: Any = KafkaConsumer(
            bootstrap_servers=bootstrap_servers, enable_auto_commit=False, metrics_enabled=False
        )
        self._appended_ms: dict[tuple[int, int], int] = {}
        self._acked_ms: dict[int, int] = {}
        self._partitions = [
            TopicPartition(topic, number)
            for topic in (COMMANDS, EVENTS, ACKS)
            for number in sorted(self._consumer.partitions_for_topic(topic))
        ]
        self._consumer.assign(self._partitions)
        self._consumer.seek_to_beginning()

    def poll(self) -> None:
        """Tell what is new; returns at once."""
        found = self._consumer.poll(timeout_ms=0)
        batches = sorted(found.items(), key=lambda item: self._partitions.index(item[0]))
        for partition, records in batches:
            for record in records:
                self._take(partition, record)

    def caught_up(self) -> bool:
        """Whether all was told that stands in the topics now; False too where nobody can say."""
        try:
            ends = self._consumer.end_offsets(self._partitions, timeout_ms=1000)
            return all(self._consumer.position(at) >= end for at, end in ends.items())
        except KafkaError:
            return False

    def reaction_ms(self, trip: Command) -> int:
        """Real time from when the broker had the event that caused it to a guard's ack of it."""
        assert trip.source is not None
        appended_ms = self._appended_ms[trip.source.partition, trip.source.offset]
        return self._acked_ms[trip.generation] - appended_ms

    def __enter__(self) -> Watcher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._consumer.close()

    def _take(self, partition: TopicPartition, record: Any) -> None:
        if partition.topic == EVENTS:
            self._appended_ms[partition.partition, record.offset] = record.timestamp
            self._story.take_event(parse_event(record.value))
        elif partition.topic == COMMANDS:
            self._story.take_command(Command.model_validate_json(record.value))
        else:
            ack = Ack.model_validate_json(record.value)
            self._acked_ms.setdefault(ack.generation, record.timestamp)
            self._story.take_ack(ack)


class Gauges:
    """The rules as the monitor's metrics show them."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self.url: str | None = None
        self.rules: dict[str, Standing] = {}
        self._next = 0.0

    def refresh(self) -> None:
        """Read the metrics again, a few times a second; what is not to be had stays as it was."""
        if self.url and time.monotonic() >= self._next:
            self._next = time.monotonic() + SCRAPE_EVERY_S
            samples = scrape(self.url)
            observed = samples.get("andon_rule_observed", {})
            bounds = samples.get("andon_rule_bound", {})
            for labels, value in observed.items() if bounds.keys() >= observed.keys() else ():
                named = dict(labels)
                # The monitor shows no rate of a rule with groups, and the demo has but one.
                seen = self._story.most_repeated if math.isnan(value) else value
                self.rules[named["rule"]] = Standing(named["rate"], seen, bounds[labels])


def scrape(url: str | None) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Samples by name and labels; empty where nothing answers."""
    if url is None:
        return {}
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            text = answer.read().decode()
    except OSError:
        return {}
    samples: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            samples.setdefault(sample.name, {})[labels] = sample.value
    return samples


def total(url: str | None, name: str) -> float:
    """The sum of a metric's samples; 0 where it is not served."""
    return sum(scrape(url).get(name, {}).values())
