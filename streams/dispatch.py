"""The dispatcher: takes alerts from `andon.alerts`, and what guards ask people in
`andon.approvals`, to receivers, each at least once.

An offset is committed only when every receiver of its alert, and of all alerts before it in the
partition, has taken it, refused it for good or exhausted the patience. What was under way when
the process ended is delivered again with the same `alert_id`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.structs import ConsumerRecord
from pydantic import ValidationError

from andon.approvals import parse_approval
from andon.commands import Alert, Audit, Position
from andon.topics import ALERTS, APPROVALS, AUDIT
from streams.deadman import Deadman
from streams.inhibition import Inhibitions
from streams.lane import Count, Lane, Outcome, Patience
from streams.outcomes import actuation, delivery_of, held_back
from streams.questions import question
from streams.rest import rest_when_idle
from streams.routes import Routes

log = logging.getLogger(__name__)

GROUP = "andon-dispatch"
LOOK_BACK = 1_000
"""How many settled alerts of a partition a new dispatcher reads again, only to know their ids: a
monitor that comes back from a crash writes its last alerts a second time."""
POLL_MS = 250
RECONNECT_S = 2.0
GRACE_S = 5.0


class Progress:
    """One partition: what is under way in it, and how far it may be committed."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.committed = start
        self._next = start
        self._under_way: dict[int, asyncio.Task[None]] = {}

    @property
    def safe(self) -> int:
        """The offset to start at again, so that nothing is lost."""
        return min(self._under_way, default=self._next)

    def passed(self, offset: int) -> None:
        """The record at `offset` asks for nothing."""
        self._next = offset + 1

    def begin(self, offset: int, task: asyncio.Task[None]) -> None:
        """The record at `offset` is settled when `task` has ended well, and only then."""
        self.passed(offset)
        self._under_way[offset] = task
        task.add_done_callback(lambda task: self._ended(offset, task))

    async def cancel(self) -> None:
        tasks = tuple(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def drain(self, timeout_s: float) -> None:
        """Wait for what is under way, then cancel what is left of it."""
        if self._under_way:
            await asyncio.wait(tuple(self._under_way.values()), timeout=timeout_s)
        await self.cancel()

    def _ended(self, offset: int, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        if error := task.exception():
            log.error("offset %d is delivered again after a restart", offset, exc_info=error)
            return
        del self._under_way[offset]


class Dispatcher(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Runs until `stop()`; several may run, and share the partitions.

    Args:
        bootstrap_servers: where the broker is; waits for it as long as it takes.
        routes: the receivers; closed at the end.
        patience: how long and how often an alert is tried again.
        count: told (receiver, result) of every attempt; result is delivered, retried, failed or
            inhibited.
        instance: names this one in the group, the same after a restart, so that it gets its
            partitions back at once; by default the host. Two that run need two names.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        routes: Routes,
        *,
        patience: Patience | None = None,
        count: Count = lambda receiver, result: None,
        instance: str | None = None,
    ) -> None:
        self._servers = bootstrap_servers
        self._instance = instance or socket.gethostname()
        self._routes = routes
        self._lanes = {
            name: Lane(receiver, patience or Patience(), count)
            for name, receiver in routes.all.items()
        }
        self._inhibitions = Inhibitions()
        self._count = count
        self._partitions: dict[TopicPartition, Progress] = {}
        self._deadmen: dict[TopicPartition, Deadman] = {}
        self._read_to: dict[TopicPartition, int] = {}
        self._stopping = asyncio.Event()
        self._consumer: Any = None
        self._producer: Any = None

    async def run(self) -> None:
        """Dispatch until stopped or cancelled; what is under way then gets 5 s to end."""
        try:
            self._producer = await self._connect(self._make_producer)
            self._consumer = await self._connect(self._make_consumer)
            if self._consumer:
                rest_when_idle(self._consumer)
                self._consumer.subscribe([ALERTS, APPROVALS], listener=self)
            while not self._stopping.is_set():
                fetched = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=100)
                for partition, records in fetched.items():
                    for record in records:
                        self._take(partition, record)
                await self._look_after_canaries()
                await self._commit()
        finally:
            await self._finish()

    def stop(self) -> None:
        """Ask `run()` to end; it returns soon after. Fit for a signal handler of the loop."""
        self._stopping.set()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Whoever gets the partitions delivers what was under way here."""
        await self._commit()
        for partition in revoked:
            self._deadmen.pop(partition, None)
            if progress := self._partitions.pop(partition, None):
                await progress.cancel()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Start where the group stands, after a look back at what it has settled."""
        oldest = await self._consumer.beginning_offsets(list(assigned))
        for partition, beginning in oldest.items():
            start = max(beginning, await self._consumer.committed(partition) or 0)
            self._partitions[partition] = Progress(start)
            self._deadmen[partition] = Deadman()
            self._consumer.seek(partition, max(beginning, start - LOOK_BACK))

    def _take(self, partition: TopicPartition, record: ConsumerRecord) -> None:
        progress = self._partitions.get(partition)
        if progress is None:  # revoked since it was fetched
            return
        self._read_to[partition] = record.offset + 1
        lanes: list[Lane] = []
        if alert := _read(record):
            self._deadmen[partition].take(alert)
            alert, receivers = self._routes.find(alert)
            lanes = [self._lanes[receiver.name] for receiver in receivers]
        if alert and (cause := self._inhibitions.by(alert)):
            self._hold(alert, cause, lanes, progress, record)
            return
        if alert and record.offset < progress.start:
            for lane in lanes:
                lane.remember(alert.alert_id)
        elif alert and (deliveries := [task for lane in lanes if (task := lane.send(alert))]):
            source = Position(topic=record.topic, partition=record.partition, offset=record.offset)
            progress.begin(record.offset, asyncio.create_task(self._settle(deliveries, source)))
        else:
            progress.passed(record.offset)

    async def _look_after_canaries(self) -> None:
        """What is to be told is written to the topic, and delivered as any other alert."""
        now = datetime.now(UTC)
        for partition, deadman in list(self._deadmen.items()):
            if self._read_to.get(partition, 0) < (self._consumer.highwater(partition) or 0):
                continue  # what it said last has still to be read
            for alert in deadman.look(now):
                await self._producer.send_and_wait(
                    ALERTS, alert.to_json(), key=alert.workflow.encode()
                )

    def _hold(
        self,
        alert: Alert,
        cause: str,
        lanes: list[Lane],
        progress: Progress,
        record: ConsumerRecord,
    ) -> None:
        """Tell nobody but the audit record: another alert has told of the cause."""
        if record.offset < progress.start:
            return
        for lane in lanes:
            self._count(lane.name, "inhibited")
        source = Position(topic=record.topic, partition=record.partition, offset=record.offset)
        progress.begin(
            record.offset, asyncio.create_task(self._write(held_back(alert, cause, source)))
        )

    async def _settle(self, deliveries: list[asyncio.Task[Outcome]], source: Position) -> None:
        await asyncio.gather(*(self._audit(delivery, source) for delivery in deliveries))

    async def _audit(self, delivery: asyncio.Task[Outcome], source: Position) -> None:
        outcome = await delivery
        moved = outcome.receiver in self._routes.levers.actuators
        record = actuation(outcome, source) if moved else delivery_of(outcome, source)
        await self._write(record)

    async def _write(self, record: Audit) -> None:
        try:
            await self._producer.send_and_wait(
                AUDIT, record.to_json(), key=record.workflow.encode()
            )
        except KafkaError as error:  # people were told all the same; do not tell them twice
            log.error("no audit record of %s: %r", record.reason, error)

    async def _commit(self) -> None:
        behind = {
            partition: (progress, progress.safe)
            for partition, progress in self._partitions.items()
            if progress.safe > progress.committed
        }
        if not behind:
            return
        try:
            await self._consumer.commit({at: offset for at, (_, offset) in behind.items()})
        except KafkaError as error:
            log.warning("offsets not committed, alerts may be delivered again: %r", error)
            return
        for progress, offset in behind.values():
            progress.committed = offset

    async def _connect(self, make: Callable[[], Any]) -> Any:
        """A started client, None when asked to stop before there was a broker."""
        while not self._stopping.is_set():
            client = make()
            try:
                await client.start()
                return client
            except KafkaConnectionError as error:
                await client.stop()
                log.warning("no broker at %s yet, alerts wait: %s", self._servers, error)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), RECONNECT_S)
        return None

    def _make_producer(self) -> Any:
        return AIOKafkaProducer(bootstrap_servers=self._servers, enable_idempotence=True)

    def _make_consumer(self) -> Any:
        return AIOKafkaConsumer(
            bootstrap_servers=self._servers,
            group_id=GROUP,
            group_instance_id=f"{GROUP}-{self._instance}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            metadata_max_age_ms=10_000,
        )

    async def _finish(self) -> None:
        if self._consumer:
            await asyncio.gather(*(each.drain(GRACE_S) for each in self._partitions.values()))
            await self._commit()
            self._partitions.clear()
            await self._consumer.stop()
        if self._producer:
            await self._producer.stop()
        for receiver in self._routes.all.values():
            await receiver.close()


def _read(record: ConsumerRecord) -> Alert | None:
    try:
        if record.topic == APPROVALS:
            return question(parse_approval(record.value or b""), record.timestamp)
        return Alert.model_validate_json(record.value or b"")
    except ValidationError as error:
        log.error(
            "ALERT NOT UNDERSTOOD at %s partition %d offset %d: %s; it reads %.2000r",
            *(record.topic, record.partition, record.offset, error, record.value),
        )
        return None
