"""The connection to the broker: writes records, follows the commands and what people are asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from andon.approvals import parse_approval
from andon.approvals_log import ApprovalsLog, Request
from andon.commands import Command
from andon.errors import BrokerError, PolicyError, SignatureError
from andon.guard.patterns.policies import NONE
from andon.guard.transport import Message, Record
from andon.permits import Permits
from andon.policy import PolicyBook
from andon.policy_topic import PolicyTable
from andon.signing import Keys
from andon.topics import APPROVALS, COMMANDS, PERMITS, POLICIES
from api.hub import Hub
from streams.commands_log import CommandsLog, open_log
from streams.policy_topic import read_on
from streams.ready import wait_for_topics
from streams.topic_reader import TopicReader, open_topics

FOLLOW_EVERY_S = 0.05
RETRY_S = 1.0
BROKER_TIMEOUT_S = 10.0
SILENCE_S = 5.0

log = logging.getLogger("andon.api")


class Link:
    """Connects, and connects again; `run` goes on until it is cancelled.

    `on_policies` hears the policies that the broker holds, at first and after each push.
    """

    def __init__(self, bootstrap_servers: str, keys: Keys, hub: Hub) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._keys = keys
        self._hub = hub
        self._producer: AIOKafkaProducer | None = None
        self._failed = asyncio.Event()
        self._commands: CommandsLog | None = None
        self._approvals: TopicReader | None = None
        self._requests = ApprovalsLog()
        self.on_policies: Callable[[PolicyBook], None] | None = None

    @property
    def ready(self) -> bool:
        """Whether records can be written and the commands are heard."""
        return self._producer is not None and self._commands is not None

    async def run(self) -> None:
        """Keep both connections."""
        await wait_for_topics(self._bootstrap_servers, log.warning)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._produce())
            both.create_task(self._follow())

    async def write(self, messages: Sequence[Message]) -> None:
        """Write records; returns when all in-sync replicas have them.

        Raises:
            BrokerError: the broker has not taken all, in 10 s.
        """
        if (producer := self._producer) is None:
            raise self._absent()
        try:
            async with asyncio.timeout(BROKER_TIMEOUT_S):
                sent = [await producer.send(m.topic, m.value, key=m.key) for m in messages]
                await asyncio.gather(*sent)
        except (KafkaError, TimeoutError) as error:
            self._failed.set()
            raise BrokerError(
                f"the broker has not taken all ({error!r}): send the same again; "
                "what it has already is known by its event_id"
            ) from None

    async def commands(self) -> dict[str, Command]:
        """What each workflow obeys now, by the log's present end. Raises BrokerError."""
        if self._commands is None:
            raise self._absent()
        await self._read_on(self._commands)
        return self._commands.commands

    async def requests(self) -> list[Request]:
        """What people were asked, oldest first, by the log's present end. Raises BrokerError."""
        if self._approvals is None:
            raise self._absent()
        await self._hear_people(self._approvals)
        return list(self._requests.requests.values())

    async def _produce(self) -> None:
        while True:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap_servers, acks="all", enable_idempotence=True
            )
            try:
                await producer.start()
                self._failed.clear()
                self._producer = producer
                await self._failed.wait()
            except (KafkaError, OSError) as error:
                log.warning("cannot write: %r", error)
                await asyncio.sleep(RETRY_S)
            finally:
                self._producer = None
                await _stop(producer)

    async def _follow(self) -> None:
        while True:
            try:
                async with AsyncExitStack() as stack:
                    enter, servers = stack.enter_async_context, self._bootstrap_servers
                    verifier = self._keys.verifier
                    commands = await enter(open_log(servers, COMMANDS, PERMITS, verifier=verifier))
                    approvals = await enter(open_topics(servers, APPROVALS))
                    policies = await enter(open_topics(servers, POLICIES))
                    held = PolicyTable()
                    await self._hear_policies(policies, held, first=True)
                    self._requests = ApprovalsLog()
                    self._hub.begin(
                        [(COMMANDS, _told(command)) for command in commands.commands.values()]
                        + [(APPROVALS, record) for record in await self._asked(approvals)]
                        + _dealt(commands)
                    )
                    self._commands, self._approvals = commands, approvals
                    while True:
                        await self._read_on(commands)
                        await self._hear_people(approvals)
                        await self._hear_policies(policies, held)
                        await asyncio.sleep(FOLLOW_EVERY_S)
            except BrokerError as error:
                log.warning("commands are not heard: %s", error)
            finally:
                self._commands = self._approvals = None
                self._hub.lose()
            await asyncio.sleep(RETRY_S)

    async def _read_on(self, commands: CommandsLog) -> None:
        with _silence():
            async with asyncio.timeout(SILENCE_S):
                accepted = await commands.refresh()
        for command in accepted:
            self._hub.tell(COMMANDS, _told(command))
        for topic, record in _dealt(commands):
            self._hub.tell(topic, record)

    async def _hear_people(self, approvals: TopicReader) -> None:
        with _silence():
            async with asyncio.timeout(SILENCE_S):
                for record in await self._asked(approvals):
                    self._hub.tell(APPROVALS, record)

    async def _hear_policies(
        self, policies: TopicReader, held: PolicyTable, *, first: bool = False
    ) -> None:
        """What cannot be used, and a push that is under way, leave those before in force."""
        if self.on_policies is None:
            return
        with _silence():
            async with asyncio.timeout(SILENCE_S):
                news = await read_on(policies, held)
        if not news and not first:
            return
        try:
            self.on_policies(held.book() or NONE)
        except PolicyError as error:
            log.warning("the policies before stay in force: %s", error)

    async def _asked(self, approvals: TopicReader) -> list[Record]:
        """The next records of the approvals, once they are taken in."""
        read = []
        async for record in approvals.new_records():
            with suppress(ValidationError):  # guards count what cannot be read
                try:
                    approval = parse_approval(record.value or b"", self._keys.verifier)
                except SignatureError as error:
                    log.warning("an answer does not count: %s", error)
                    continue
                self._requests.take(approval, record.timestamp)
            read.append(Record(record.key, record.value, record.timestamp))
        return read

    def _absent(self) -> BrokerError:
        return BrokerError(f"no Kafka broker answers at {self._bootstrap_servers} now: try again")


async def _stop(producer: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(RETRY_S):
            await producer.stop()
    except (KafkaError, OSError, TimeoutError) as error:
        log.warning("a connection was not closed well: %r", error)


def _told(record: Command | Permits) -> Record:
    return Record(record.workflow.encode(), record.to_json(), 0)


def _dealt(commands: CommandsLog) -> list[tuple[str, Record]]:
    """What was dealt out on trial since the last call."""
    records = (fact.record for fact in commands.take_facts())
    return [(PERMITS, _told(record)) for record in records if isinstance(record, Permits)]


@contextmanager
def _silence() -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise BrokerError("the broker does not answer") from None
