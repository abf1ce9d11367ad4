"""The rounds of the canary: a real guard trips its own workflow, and every leg is timed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import httpx
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from andon.alert_text import title
from andon.breaker import State
from andon.canary import LEGS, NOBODY, PROBE, TRIP
from andon.commands import Ack, Alert, AlertKind, Audit, Command, Reason
from andon.errors import BreakerOpen
from andon.guard import Guard
from andon.ids import uuid7
from andon.topics import ACKS, ALERTS, AUDIT, COMMANDS
from streams.settings import Settings
from streams.topic_reader import open_topics

log = logging.getLogger("andon.canary")

WITHIN_S = 15.0
"""So long a leg may take."""
ROUNDS = 3
"""After so many rounds without a word a canary counts as silent."""
_POLL_S = 0.05
_TRY_EVERY_S = 0.5


class Round(NamedTuple):
    """One round: the seconds that each leg took, as far as it came, and the leg that failed."""

    seconds: dict[str, float]
    failed: str | None
    generation: int


class Canary:
    """Trips its own workflow; `tell` hears of every round.

    Raises:
        KafkaError: no broker.
    """

    def __init__(self, settings: Settings, tell: Callable[[Round], None]) -> None:
        self._settings = settings
        self._tell = tell
        self._workflow = settings.canary_workflow
        servers = settings.bootstrap_servers.split(",")
        self._producer = KafkaProducer(bootstrap_servers=servers)
        self._consumer = KafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
        self._guard = Guard(self._workflow, "andon-canary", bootstrap_servers=",".join(servers))

    def run(self, stopping: threading.Event) -> None:
        """Go round until `stopping` is set."""
        while not stopping.is_set():
            begun = time.monotonic()
            done = self.go_round()
            self._write(done)
            self._tell(done)
            if done.failed is None and self._settings.canary_heartbeat_url:
                _beat(self._settings.canary_heartbeat_url)
            stopping.wait(max(0.0, begun + self._settings.canary_every_s - time.monotonic()))

    def close(self) -> None:
        """Let go of the broker."""
        self._guard.close()
        self._consumer.close()
        self._producer.close()

    def go_round(self) -> Round:
        """One round, from running to running."""
        if not (self._guard.ready(WITHIN_S) and self._back()):
            return Round({}, "return", self._guard.state.generation)
        self._seek_to_the_end()
        before = self._guard.state.generation
        for _ in range(2):
            with suppress(BreakerOpen), self._guard.attempt("update", TRIP):
                pass
        self._guard.flush(WITHIN_S)
        begun, seen = time.monotonic(), dict[str, float]()
        while len(seen) < len(LEGS) - 1 and time.monotonic() - begun < WITHIN_S:
            for leg in self._legs(before):
                seen.setdefault(leg, time.monotonic() - begun)
        if len(seen) == len(LEGS) - 1 and self._back():
            seen["return"] = time.monotonic() - begun
        failed = next((leg for leg in LEGS if leg not in seen), None)
        return Round(seen, failed, self._guard.state.generation)

    def _legs(self, before: int) -> Iterator[str]:
        """The legs that a look at the topics and at the guard has found done."""
        for record in self._new_records():
            match record:
                case Audit(kind="detection"):
                    yield "detection"
                case Command(state=State.OPEN, generation=generation) if generation > before:
                    yield "command"
                case Ack(generation=generation) if generation > before and self._refuses():
                    yield "guard"
                case Alert(kind="paused", generation=generation) if generation > before:
                    yield "alert"

    def _refuses(self) -> bool:
        try:
            with self._guard.attempt("update", PROBE):
                return False
        except BreakerOpen:
            return True

    def _back(self) -> bool:
        """Try again and again, as any automation would, until the monitor lets it run freely."""
        until = time.monotonic() + 2 * WITHIN_S
        while self._guard.state.state is not State.CLOSED:
            if time.monotonic() > until:
                return False
            self._refuses()
            time.sleep(_TRY_EVERY_S)
        return True

    def _seek_to_the_end(self) -> None:
        partitions = [
            TopicPartition(topic, number)
            for topic in _MODELS
            for number in self._consumer.partitions_for_topic(topic) or ()
        ]
        self._consumer.assign(partitions)
        self._consumer.seek_to_end()
        for partition in partitions:
            self._consumer.position(partition)  # now, and not at the first poll

    def _new_records(self) -> Iterator[Any]:
        key = self._workflow.encode()
        for partition, records in self._consumer.poll(timeout_ms=int(_POLL_S * 1000)).items():
            for record in records:
                if record.key == key:
                    with suppress(ValueError):
                        yield _MODELS[partition.topic].model_validate_json(record.value)

    def _write(self, done: Round) -> None:
        """What the dispatcher, `andon doctor` and others go by."""
        record = _record(self._workflow, done, timedelta(seconds=self._settings.canary_every_s))
        try:
            sent = self._producer.send(ALERTS, key=self._workflow.encode(), value=record.to_json())
            sent.get(WITHIN_S)
        except KafkaError as error:
            log.error("the round was not written: %r", error)


_MODELS: dict[str, Any] = {AUDIT: Audit, COMMANDS: Command, ACKS: Ack, ALERTS: Alert}


def _record(workflow: str, done: Round, every: timedelta) -> Alert:
    kind: AlertKind = "canary_failed" if done.failed else "canary_passed"
    legs = ", ".join(f"{leg} {seconds:.2f} s" for leg, seconds in done.seconds.items())
    text = f"{done.failed} failed" if done.failed else "every leg works"
    reason = Reason(text=f"{text} ({legs})" if legs else text)
    now = datetime.now(UTC)
    return Alert(
        alert_id=uuid7(),
        kind=kind,
        workflow=workflow,
        generation=done.generation,
        state=State.CLOSED,
        severity="info",
        since=now,
        title=title(kind, workflow, reason),
        reason=reason,
        resume="andon doctor",
        receivers=[NOBODY],
        next_by=now + ROUNDS * every + timedelta(seconds=4 * WITHIN_S),
    )


def _beat(url: str) -> None:
    """Tell a dead-man's switch outside that all is well: its silence alerts."""
    try:
        httpx.get(url, timeout=10).raise_for_status()
    except httpx.HTTPError as error:
        log.warning("the heartbeat was not taken: %r", error)


async def last_round(bootstrap_servers: str) -> Alert | None:
    """What the canary said last (`canary_passed` or `canary_failed`), None where it never did.

    `since` says when, `reason` how it went, `next_by` when it counts as silent.

    Raises:
        BrokerError: no broker, or no topic.
    """
    last: Alert | None = None
    async with open_topics(bootstrap_servers, ALERTS) as reader:
        async for record in reader.new_records():
            with suppress(ValueError):
                alert = Alert.model_validate_json(record.value or b"")
                if alert.kind in ("canary_passed", "canary_failed"):
                    last = alert if last is None or alert.since > last.since else last
    return last
