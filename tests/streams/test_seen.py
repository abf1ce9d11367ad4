"""The names that the newest events of a broker bear."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaProducer

from andon.errors import BrokerError
from andon.topics import EVENTS
from streams import seen
from streams.broker import EmbeddedBroker
from streams.seen import Seen, see_newest
from streams.settings import Settings
from streams.topics import apply
from tests.eventlog import line


async def write(address: str, values: list[bytes], codec: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=address, compression_type=codec) as producer:
        for value in values:
            await producer.send_and_wait(EVENTS, value, partition=0)


def test_only_the_newest_are_looked_at_however_they_are_compressed(
    own_broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, found = own_broker.bootstrap_servers, Seen()
    apply(address, Settings(bootstrap_servers=address))
    codecs = ("gzip", "snappy", "lz4", "zstd")
    for codec in codecs:
        asyncio.run(write(address, [line("a", 0, workflow=codec), b"no event"], codec))
    monkeypatch.setattr(seen, "NEWEST", 6)
    asyncio.run(see_newest(found, address))
    assert found.events == 3
    assert found.known["workflow"] == {"snappy", "lz4", "zstd"}


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no address", "a:b"])
def test_a_broker_that_is_not_there_is_told(address: str) -> None:
    with pytest.raises(BrokerError, match="no Kafka broker answers at"):
        asyncio.run(see_newest(Seen(), address))
