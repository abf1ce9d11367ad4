"""Policies pushed to a real broker, and followed there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer

from andon.commands import EVERY_WORKFLOW, Audit
from andon.errors import BrokerError, PolicyError
from andon.policy_file import check_policies
from andon.policy_topic import records_of
from andon.topics import AUDIT, POLICIES
from streams.policy_topic import PolicyTopic, held, push
from streams.topic_reader import open_topics
from tests.andon.streaming import until
from tests.eventlog import book_of

OLD = book_of({"name": "a"}, {"name": "b"})
NEW = book_of({"name": "c"}, {"name": "a", "mode": "shadow"})


@asynccontextmanager
async def following(servers: str) -> AsyncIterator[PolicyTopic]:
    source = PolicyTopic(servers)
    yield source
    await source.close()


def test_the_topic_holds_what_was_pushed_last(no_policies: str) -> None:
    async def run() -> None:
        assert (await held(no_policies)).book() is None
        for book in (OLD, NEW):
            await push(no_policies, book, "ana")
            assert (await held(no_policies)).book() == book

    asyncio.run(run())


def test_a_push_is_audited(no_policies: str) -> None:
    async def run() -> list[Audit]:
        await push(no_policies, OLD, "ana")
        await push(no_policies, NEW, "eva")
        async with open_topics(no_policies, AUDIT) as reader:
            records = [record async for record in reader.new_records()]
        assert {record.key for record in records} == {EVERY_WORKFLOW.encode()}
        return [Audit.model_validate_json(record.value) for record in records[-2:]]

    first, second = asyncio.run(run())
    assert (first.kind, first.actor, first.policies) == (
        "policy-pushed",
        "user:ana",
        OLD.fingerprint,
    )
    assert (second.previous_policies, second.policies) == (OLD.fingerprint, NEW.fingerprint)
    assert second.reason is not None
    assert second.reason.text == "added c; changed a; removed b"


def test_of_two_pushes_at_once_one_says_so(no_policies: str) -> None:
    enforced, shadowed = (
        book_of(*({"name": f"p{number}", "mode": mode} for number in range(50)))
        for mode in ("enforce", "shadow")
    )

    async def run() -> None:
        done = await asyncio.gather(
            push(no_policies, enforced, "ana"),
            push(no_policies, shadowed, "eva"),
            return_exceptions=True,
        )
        failed = [each for each in done if each is not None]
        assert failed
        assert {type(each) for each in failed} == {PolicyError}
        assert "somebody else pushed at the same time" in str(failed[0])
        await push(no_policies, enforced, "ana")
        assert (await held(no_policies)).book() == enforced

    asyncio.run(run())


def test_who_pushes_has_a_name_and_a_broker(no_policies: str) -> None:
    with pytest.raises(ValueError, match="user: must not be empty"):
        asyncio.run(push(no_policies, OLD, " "))
    with pytest.raises(BrokerError, match="no Kafka broker answers"):
        asyncio.run(push("127.0.0.1:1", OLD, "ana"))


def test_a_follower_takes_a_book_once_and_whole(no_policies: str) -> None:
    async def run() -> None:
        await push(no_policies, OLD, "ana")
        async with following(no_policies) as source:
            assert check_policies(await source.first(print)) == OLD
            assert await source.look() is None
            await push(no_policies, NEW, "ana")
            assert await source.look() is None, "a push may be under way"
            draft = await source.look()
            assert draft is not None
            assert check_policies(draft) == NEW
            assert await source.look() is None
            again = await source.look(at_once=True)
            assert again is not None

    asyncio.run(run())


def test_a_follower_tells_of_what_is_no_book_once(no_policies: str) -> None:
    async def run() -> None:
        await push(no_policies, OLD, "ana")
        async with (
            following(no_policies) as source,
            AIOKafkaProducer(bootstrap_servers=no_policies) as all_,
        ):
            await source.first(print)
            first = next(records_of(NEW, "user:ana"))
            await all_.send_and_wait(POLICIES, first.value, first.key, headers=list(first.headers))
            assert await source.look() is None
            with pytest.raises(PolicyError, match="no whole book"):
                await source.look()
            assert await source.look() is None
            for name in "abc":
                await all_.send_and_wait(POLICIES, None, name.encode())
            assert await source.look() is None
            with pytest.raises(PolicyError, match="holds no policies"):
                await source.look()

    asyncio.run(run())


def test_a_follower_waits_for_policies(no_policies: str) -> None:
    async def run() -> list[str]:
        told: list[str] = []
        async with following(no_policies) as source:
            waiting = asyncio.create_task(source.first(told.append))
            await asyncio.to_thread(until, lambda: told, "it to say what it waits for")
            await push(no_policies, OLD, "ana")
            assert check_policies(await waiting) == OLD
        return told

    (told,) = asyncio.run(run())
    assert told.startswith("waiting: andon.policies:1: policies: holds no policies; run")
