"""The topic `andon.policies`: pushing a book of policies to it, and following it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from andon.commands import EVERY_WORKFLOW, Audit, Reason
from andon.errors import BrokerError, PolicyError, Problem
from andon.ids import uuid7
from andon.policy import PolicyBook
from andon.policy_file import draft_of_book
from andon.policy_topic import PolicyTable, differences, records_of
from andon.topics import AUDIT, POLICIES
from andon.yaml_lines import Draft
from streams.policy_check import compiled
from streams.topic_reader import TopicReader, open_topics

RETRY_S = 2.0


async def held(bootstrap_servers: str) -> PolicyTable:
    """What the topic holds now. Raises BrokerError."""
    async with open_topics(bootstrap_servers, POLICIES) as reader:
        table = PolicyTable()
        await read_on(reader, table)
        return table


async def push(bootstrap_servers: str, book: PolicyBook, user: str) -> None:
    """Let the topic hold these policies and no others; returns when it does.

    Raises:
        ValueError: the user has no name.
        PolicyError: somebody else pushed at the same time, and neither book is whole now.
        BrokerError: no broker, or it failed halfway.
    """
    if not user.strip():
        raise ValueError("user: must not be empty; name one with --user")
    async with open_topics(bootstrap_servers, POLICIES) as reader, AsyncExitStack() as stack:
        table = PolicyTable()
        await read_on(reader, table)
        before, gone = _whole(table), table.held.keys() - {each.name for each in book.policies}
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, enable_idempotence=True)
        stack.push_async_callback(producer.stop)
        try:
            await producer.start()
            for key, value, headers in records_of(book, f"user:{user}", sorted(gone)):
                await producer.send_and_wait(POLICIES, value, key, headers=list(headers))
            await read_on(reader, table)
            if _whole(table) != book:
                text = "somebody else pushed at the same time; look, then push again"
                raise PolicyError([Problem(POLICIES, 1, "policies", text)])
            record = _pushed(before, book, user)
            await producer.send_and_wait(AUDIT, record.to_json(), EVERY_WORKFLOW.encode())
        except KafkaError as error:
            raise BrokerError(
                f"the broker failed halfway: {error!r}; `andon policy list` tells what it holds"
            ) from None


class PolicyTopic:
    """The policies on the topic, for a monitor that goes by them (see PolicyFile)."""

    name = f"topic {POLICIES}"
    check = "andon policy list"

    def __init__(self, bootstrap_servers: str) -> None:
        self._servers = bootstrap_servers
        self._stack = AsyncExitStack()
        self._reader: TopicReader | None = None
        self._table = PolicyTable()
        self._news = False

    async def first(self, tell: Callable[[str], None]) -> Draft:
        """Wait until there are policies that can be used; `tell` hears what is waited for."""
        told = ""
        while True:
            try:
                draft = await self.look(at_once=True)
                assert draft is not None
                compiled(draft)
            except (PolicyError, BrokerError) as error:
                if told != str(error):
                    tell(f"waiting: {error}")
                told = str(error)
            else:
                return draft
            await asyncio.sleep(RETRY_S)

    async def look(self, *, at_once: bool = False) -> Draft | None:
        """What was pushed since the last look but one: a push that is under way is let end.

        Raises:
            PolicyError: what the topic holds cannot be used; once for each change.
            BrokerError: the broker went away.
        """
        if self._reader is None:
            self._reader = await self._stack.enter_async_context(
                open_topics(self._servers, POLICIES)
            )
        if await read_on(self._reader, self._table):
            self._news = True
            if not at_once:
                return None
        if not self._news and not at_once:
            return None
        self._news = False
        book = self._table.book()
        if book is None:
            text = "holds no policies; run `andon policy push FILE`"
            raise PolicyError([Problem(POLICIES, 1, "policies", text)])
        return draft_of_book(book, POLICIES)

    async def close(self) -> None:
        """Let go of the broker."""
        await self._stack.aclose()


async def read_on(reader: TopicReader, table: PolicyTable) -> bool:
    """Take in what is new; whether anything is."""
    news = False
    async for record in reader.new_records():
        table.take(record.key, record.value, record.headers)
        news = True
    return news


def _whole(table: PolicyTable) -> PolicyBook | None:
    try:
        return table.book()
    except PolicyError:
        return None


def _pushed(before: PolicyBook | None, book: PolicyBook, user: str) -> Audit:
    return Audit(
        audit_id=uuid7(),
        ts=datetime.now(UTC),
        kind="policy-pushed",
        workflow=EVERY_WORKFLOW,
        actor=f"user:{user}",
        reason=Reason(text=str(differences(before, book))),
        policies=book.fingerprint,
        previous_policies=before and before.fingerprint,
    )
