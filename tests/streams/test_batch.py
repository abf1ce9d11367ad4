"""Reading fetches: the direct road against aiokafka's own."""

from __future__ import annotations

import asyncio
import struct
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from streams.batch import DIRECT, Batch, next_records

CONTROL = 0x20  # attribute bit of a transaction marker


def record_batch(base: int, values: list[bytes], codec: int = 0, control: bool = False) -> bytes:
    """What a broker keeps of one send: `values` at the offsets from `base` on."""
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 1 << 20)
    for delta, value in enumerate(values):
        builder.append(delta, 1000 + base + delta, b"key", value, [("h", value)])
    raw = bytearray(builder.build())
    struct.pack_into(">q", raw, 0, base)
    if control:
        raw[22] |= CONTROL
        struct.pack_into(">I", raw, 17, calc_crc32c(bytes(raw[21:])))
    return bytes(raw)


async def read(raw: bytes, start: int, limit: int) -> tuple[list[list[tuple[Any, ...]]], int]:
    """All blocks that `next_records` makes of a response, and the position it ends at."""
    tp = TopicPartition("t", 0)
    assignment = Assignment({tp})
    assignment.state_value(tp).seek(start)
    source = PartitionRecords(tp, MemoryRecords(raw), [], start, None, None, True, 0)
    result = FetchResult(tp, assignment=assignment, partition_records=source, backoff=0)
    blocks = []
    while result.has_more():
        block = next_records(result, limit)
        blocks.append([(r.offset, r.key, r.value, r.timestamp, [*r.headers]) for r in block])
    return [block for block in blocks if block], assignment.state_value(tp).position


@given(
    sizes=st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["", "gap", "marker"]))),
    codec=st.integers(0, DefaultRecordBatch.CODEC_ZSTD),
    start=st.integers(0, 8),
    limit=st.integers(1, 20),
)
def test_the_direct_road_reads_what_aiokafka_reads(
    sizes: list[tuple[int, str]], codec: int, start: int, limit: int
) -> None:
    # A broker's answer begins with the record batch that holds the asked offset.
    raw, offset = record_batch(0, [b"first"] * 9, codec), 9
    for size, before in sizes:
        if before == "marker":
            raw += record_batch(offset, [bytes(4)], control=True)
        offset += {"": 0, "marker": 1, "gap": 3}[before]
        raw += record_batch(offset, [b"%d" % n for n in range(size)], codec)
        offset += size
    direct = asyncio.run(read(raw, start, limit))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.batch.DIRECT", False)
        assert direct == asyncio.run(read(raw, start, limit))
    assert all(len(block) <= limit for block in direct[0])


def test_the_direct_road_is_taken_with_the_pinned_aiokafka() -> None:
    assert DIRECT


def test_a_broken_checksum_is_an_error() -> None:
    raw = bytearray(record_batch(0, [b"one"]))
    raw[-3] ^= 1
    with pytest.raises(CorruptRecordException, match="t"):
        asyncio.run(read(bytes(raw), 0, 10))


def test_a_batch_has_parallel_columns() -> None:
    record = SimpleNamespace
    records = [
        record(offset=n, key=b"k", value=b"%d" % n, timestamp=1000 + n, headers=(("h", b"%d" % n),))
        for n in (4, 5, 8)
    ]
    batch = Batch.of("events", 3, 5, records)
    assert (batch.topic, batch.partition, len(batch)) == ("events", 3, 3)
    assert (batch.first, batch.last, batch.replayed) == (4, 8, 1)
    assert (batch.offsets, batch.values) == ([4, 5, 8], [b"4", b"5", b"8"])
    assert (batch.keys, batch.timestamps) == ([b"k"] * 3, [1004, 1005, 1008])
    assert batch.headers(2) == [("h", b"8")]
    assert Batch.of("events", 3, 9, records).replayed == 3
    assert Batch.of("events", 3, 0, records[:2]).offsets == range(4, 6)
