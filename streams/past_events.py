"""The events that a broker holds of some past time, for a report about it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import numpy as np

from andon.topics import EVENTS
from detectors.columns import Records
from streams.batch import Batch
from streams.topic_reader import open_topics

RECORDS_MAX = 10_000


async def past_events(bootstrap_servers: str, since: datetime) -> AsyncIterator[Records]:
    """Events appended since a time, to the present end, in order within each partition.

    Raises:
        BrokerError: the broker is not there, lacks the topic, or went away.
    """
    waiting: dict[int, list[Any]] = {}
    async with open_topics(bootstrap_servers, EVENTS) as reader:
        await reader.begin_at(int(since.timestamp() * 1000))
        async for record in reader.new_records():
            records = waiting.setdefault(record.partition, [])
            records.append(record)
            if len(records) == RECORDS_MAX:
                yield _as_records(waiting.pop(record.partition))
        for records in waiting.values():
            yield _as_records(records)


def _as_records(fetched: list[Any]) -> Records:
    batch = Batch.of(EVENTS, fetched[0].partition, 0, fetched)
    appended_ms = np.array(batch.timestamps, np.int64)
    return Records(
        batch.values, batch.keys, appended_ms, batch.topic, batch.partition, batch.offsets
    )
