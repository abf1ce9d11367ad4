"""What stands in the logs now: the command that each workflow obeys, its acks, its last alert.

Reads whole topics from the beginning, without a consumer group, as every guard does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from pydantic import BaseModel, ValidationError

from andon.commands import Ack, Alert, Command
from andon.errors import BrokerError
from andon.topics import ACKS, COMMANDS

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 30.0

R = TypeVar("R", bound=BaseModel)


class CommandsLog:
    """The logs as last read; `refresh()` reads on to their present end.

    `commands` holds what each workflow obeys, `history` all that it has obeyed, in order, as far
    as compaction has left them, `newest` the command that was written last; `acks` the last of
    each guard; `alerts` the last of each workflow; `unreadable` a line for each record that was
    skipped.

    Of two commands of one generation the first in the log holds: guards that live then have
    obeyed it, and a generation that they have seen moves them no more.
    """

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._reading = asyncio.Lock()
        self.commands: dict[str, Command] = {}
        self.history: dict[str, list[Command]] = {}
        self.newest: dict[str, Command] = {}
        self.acks: dict[str, dict[str, Ack]] = {}
        self.alerts: dict[str, Alert] = {}
        self.unreadable: list[str] = []
        self._accepted: list[Command] = []

    async def refresh(self) -> list[Command]:
        """Read on; the commands accepted since, in order, each told to one caller.

        Raises:
            BrokerError: the broker went away.
        """
        try:
            async with self._reading, asyncio.timeout(READ_TIMEOUT_S):
                async for record in self._new_records():
                    self._apply(record)
        except (KafkaError, TimeoutError) as error:
            raise BrokerError(f"the broker went away while reading: {error!r}") from None
        accepted, self._accepted = self._accepted, []  # kept over a call that failed
        return accepted

    async def _new_records(self) -> AsyncIterator[Any]:
        partitions = list(self._consumer.assignment())
        ends = await self._consumer.end_offsets(partitions)
        self._consumer.resume(*partitions)
        try:
            while [at for at, end in ends.items() if await self._consumer.position(at) < end]:
                for records in (await self._consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        yield record
        finally:
            # Between two calls nothing is fetched: the embedded broker answers an empty fetch at
            # once, and a reader that waits would keep it and itself busy.
            self._consumer.pause(*partitions)

    def _apply(self, record: Any) -> None:
        if record.value is None:  # taken out of a compacted topic: a new reader knows nothing of it
            workflow = (record.key or b"").decode(errors="replace")
            self.commands.pop(workflow, None)
            self.history.pop(workflow, None)
        elif record.topic == COMMANDS:
            if command := self._parse(Command, record):
                self.newest[command.workflow] = command
                if command.generation > self._generation(command.workflow):
                    self.commands[command.workflow] = command
                    self.history.setdefault(command.workflow, []).append(command)
                    self._accepted.append(command)
        elif record.topic == ACKS:
            if ack := self._parse(Ack, record):
                acks = self.acks.setdefault(ack.workflow, {})
                if ack.guard not in acks or ack.generation >= acks[ack.guard].generation:
                    acks[ack.guard] = ack
        elif alert := self._parse(Alert, record):
            self.alerts[alert.workflow] = alert

    def _generation(self, workflow: str) -> int:
        command = self.commands.get(workflow)
        return command.generation if command else 0

    def _parse(self, model: type[R], record: Any) -> R | None:
        try:
            return model.model_validate_json(record.value)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(map(str, first["loc"])) or "record"
            self.unreadable.append(
                f"{record.topic} partition {record.partition} offset {record.offset}: "
                f"{field}: {first['msg']}"
            )
            return None


@asynccontextmanager
async def open_log(bootstrap_servers: str, *topics: str) -> AsyncIterator[CommandsLog]:
    """A log of these topics (of commands, acks and alerts; commands where none is named), read.

    Raises:
        BrokerError: no broker within 5 s, or a topic is missing.
    """
    wanted = topics or (COMMANDS,)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, enable_auto_commit=False)
    try:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await consumer.start()
                await _assign(consumer, wanted)
        except (KafkaError, OSError, TimeoutError):
            raise BrokerError(
                f"no Kafka broker answers at {bootstrap_servers}: start one with `andon broker`, "
                "or name yours in KAFKA_BOOTSTRAP_SERVERS"
            ) from None
        log = CommandsLog(consumer)
        await log.refresh()
        yield log
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
