"""The transport over kafka-python. Imported where it is used: it is slow to load.

Of kafka-python 3.0 this must know: its constructors raise without a broker and leave a thread
behind, so they are called from our threads only and cleaned up after; the producer's memory has
no bound, so it is given no more than one batch; `close()` gives up where records are undelivered;
a poll during which records come in may take none and sleep for `retry_backoff_ms`, so that is
short; `allow_auto_create_topics` is not passed on, and a topic made by a guard would have one
partition and no compaction.
"""

from __future__ import annotations

import contextlib
import math
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka import errors as kafka_errors
from kafka.net.compat import KafkaNetClient

from andon.guard.transport import Delivery, Message, Record
from andon.rest import rest_s

CONNECT_S = 3.0
DELIVERY_S = 10.0
METADATA_S = 2.0
ABSENT_S = 60.0
HEARTBEAT_S = 5.0
CLOSE_S = 1.0

_COMMON: dict[str, Any] = {
    "bootstrap_timeout_ms": int(CONNECT_S * 1000),
    "reconnect_backoff_ms": 100,
    "reconnect_backoff_max_ms": 2000,
    "metadata_max_age_ms": 60_000,
    "metrics_enabled": False,
}
_PRODUCER: dict[str, Any] = {
    "acks": "all",
    "max_block_ms": int(METADATA_S * 1000),
    "request_timeout_ms": int(DELIVERY_S * 500),
    "delivery_timeout_ms": int(DELIVERY_S * 1000),
}
_CONSUMER: dict[str, Any] = {
    "enable_auto_commit": False,
    "auto_offset_reset": "earliest",
    "request_timeout_ms": int(DELIVERY_S * 1000),
    "retry_backoff_ms": 10,
}
_NEVER = (
    kafka_errors.MessageSizeTooLargeError,
    kafka_errors.RecordListTooLargeError,
    kafka_errors.InvalidRecordError,
    kafka_errors.PolicyViolationError,
    TypeError,
    ValueError,
)
"""Errors that no repetition mends."""


class KafkaTransport:
    """`servers` as host:port; `settings` go to both clients as they are (TLS, SASL, proxy)."""

    def __init__(self, servers: Sequence[str], settings: Mapping[str, Any]) -> None:
        self._servers = list(servers)
        self._settings = dict(settings)
        self._producer: Any = None
        self._stuck: dict[str, float] = {}
        self._inherited: list[Any] = []

    def deliver(self, messages: Sequence[Message]) -> Delivery:
        try:
            self._producer = self._producer or self._client(_Producer, _PRODUCER)
        except Exception as error:
            return Delivery(list(messages), [], error)
        errors = self._write(messages)
        left = [m for m, error in zip(messages, errors, strict=True) if _may_succeed(error)]
        refused = [
            (message, error)
            for message, error in zip(messages, errors, strict=True)
            if error and not _may_succeed(error)
        ]
        why = next((error for error in errors if _may_succeed(error)), None)
        if not all(
            m.perishable for m in left
        ):  # a new producer finds brokers that moved, and has no batches of the old one
            self.close()
        return Delivery(left, refused, why)

    def read(self, topic: str) -> KafkaLog:
        return KafkaLog(self._client(_Consumer, _CONSUMER), topic)

    def forked(self) -> None:
        # Kept, for a producer that is collected closes itself, and these sockets are shared.
        self._inherited.append(self._producer)
        self._producer = None

    def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer:
            with contextlib.suppress(Exception):
                producer.close(timeout=CLOSE_S)

    def _write(self, messages: Sequence[Message]) -> list[Exception | None]:
        """Each record's error, or None where the broker has it."""
        outcomes = [self._hand_over(message) for message in messages]
        deadline = time.monotonic() + DELIVERY_S + CLOSE_S
        return [_awaited(outcome, deadline) for outcome in outcomes]

    def _hand_over(self, message: Message) -> Any:
        """The future of one record, or the exception that prevented it."""
        if self._stuck.get(message.topic, 0.0) > time.monotonic():
            return kafka_errors.KafkaTimeoutError(f"topic {message.topic} cannot be written")
        try:
            return self._producer.send(message.topic, value=message.value, key=message.key)
        except kafka_errors.KafkaTimeoutError as error:
            # Waiting for an absent topic once a batch is enough; other topics must go on.
            again_s = ABSENT_S if message.perishable else METADATA_S
            self._stuck[message.topic] = time.monotonic() + again_s
            return error
        except Exception as error:
            return error

    def _client(self, make: Callable[..., Any], settings: Mapping[str, Any]) -> Any:
        if "proxy_url" not in self._settings:
            _knock(self._servers)
        made: list[Any] = []

        def network(**config: Any) -> Any:
            made.append(KafkaNetClient(**config))
            made[0].cluster.config["allow_auto_create_topics"] = False
            return made[0]

        try:
            return make(
                **{**_COMMON, **settings, **self._settings},
                bootstrap_servers=self._servers,
                kafka_client=network,
            )
        except BaseException:
            for client in made:
                client.close()
            raise


class KafkaLog:
    """All partitions of a topic, from the beginning, without a consumer group."""

    def __init__(self, consumer: Any, topic: str) -> None:
        self._consumer = consumer
        self._topic = topic
        try:
            self._partitions = self._found()
            consumer.assign(self._partitions)
            consumer.seek_to_beginning()
            self._ends = self._heartbeat()
        except BaseException:
            self.close()
            raise

    def poll(self, timeout_s: float) -> list[Record]:
        if time.monotonic() - self._heard_at > HEARTBEAT_S:
            self._heartbeat()
            if self._found() != self._partitions:
                raise LookupError(f"topic {self._topic} has other partitions than before")
        batches = self._consumer.poll(timeout_ms=int(timeout_s * 1000))
        return [
            Record(record.key, record.value, record.timestamp, record.headers)
            for batch in batches.values()
            for record in batch
        ]

    def caught_up(self) -> bool:
        positions = ((tp, self._consumer.position(tp, timeout_ms=1000)) for tp in self._partitions)
        return all(
            position is not None and position >= self._ends[tp] for tp, position in positions
        )

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._consumer.close(autocommit=False, timeout_ms=int(CLOSE_S * 1000))

    def _found(self) -> list[Any]:
        numbers = self._consumer.partitions_for_topic(self._topic)
        if not numbers:
            raise LookupError(f"topic {self._topic} does not exist: andon topics apply")
        return [TopicPartition(self._topic, number) for number in sorted(numbers)]

    def _heartbeat(self) -> dict[Any, int]:
        """The ends of the log, which only a live broker tells. Raises where none does."""
        ends = self._consumer.end_offsets(self._partitions, timeout_ms=int(HEARTBEAT_S * 1000))
        self._heard_at = time.monotonic()
        return dict(ends)


class _Consumer(KafkaConsumer):  # type: ignore[misc]
    """Rests where a broker does not wait, as the embedded one: it answers a fetch at once."""

    _heard_at = -math.inf

    def _poll_once(self, *args: Any, **options: Any) -> Any:
        began = time.monotonic()
        records = super()._poll_once(*args, **options)
        if records:
            self._heard_at = time.monotonic()
        else:
            time.sleep(max(0.0, began + rest_s(began - self._heard_at) - time.monotonic()))
        return records


class _Producer(KafkaProducer):  # type: ignore[misc]
    def flush(self, timeout: float | None = None) -> None:
        """As the original; but `close()`, which calls it, shall go on where time runs out."""
        with contextlib.suppress(kafka_errors.KafkaTimeoutError):
            super().flush(timeout)


def _may_succeed(error: Exception | None) -> bool:
    return error is not None and not isinstance(error, _NEVER)


def _awaited(outcome: Any, deadline: float) -> Exception | None:
    if isinstance(outcome, Exception):
        return outcome
    try:
        outcome.get(timeout=max(0.0, deadline - time.monotonic()))
    except Exception as error:
        return error
    return None


def _knock(servers: Sequence[str]) -> None:
    """Raise where no server listens, before kafka-python fills the log with its attempts."""
    problems = []
    for server in servers:
        host, _, port = server.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
        except OSError as error:
            problems.append(f"{server}: {error}")
        else:
            return
    raise ConnectionError("; ".join(problems))
