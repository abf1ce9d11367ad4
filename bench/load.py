"""A steady load of events on the event topic, in the background.

python -m bench.load SERVERS PER_S
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import cycle, islice
from time import monotonic

from aiokafka import AIOKafkaProducer

from andon.events import format_ts
from andon.topics import EVENTS
from bench.events import events

WORKFLOWS = 500
TICK_S = 0.1
DIFFERENT = 100_000
STAMPED_TOGETHER = 100

_AT = re.compile(rb'"ts":"[^"]*"')
_FIRST_ROUND = b"0198b2c4-0000"


async def main(servers: str, per_s: int) -> None:
    """Ends when it is killed."""
    producer = AIOKafkaProducer(
        bootstrap_servers=servers, acks=1, compression_type="zstd", max_batch_size=1 << 20
    )
    await producer.start()
    partitions = sorted(await producer.partitions_for(EVENTS))
    source = endless()
    share = int(per_s * TICK_S / len(partitions))
    print("ready", flush=True)
    began, written = monotonic(), 0
    while True:
        for partition in partitions:
            batch = producer.create_batch()
            for key, value in islice(source, share):
                batch.append(key=key, value=value, timestamp=None)
            written += batch.record_count()
            await producer.send_batch(batch, EVENTS, partition=partition)
        await asyncio.sleep(max(0.0, began + written / per_s - monotonic()))


def endless() -> Iterator[tuple[bytes, bytes]]:
    """The same events again and again, under other ids, each at the time when it is asked for.

    At their own times all but those of the first round would be too late for any window, and what
    is measured would be the writing of an audit line for each.
    """
    parts = [(key, *_AT.split(value, maxsplit=1)) for key, value in events(DIFFERENT, WORKFLOWS)]
    for number, (key, before, after) in enumerate(cycle(parts)):
        if number % STAMPED_TOGETHER == 0:
            at = format_ts(datetime.now(UTC)).encode()
        unique = b"0198b2c4-%04x" % (number // DIFFERENT % 65536)
        yield key, b"".join((before, b'"ts":"', at, b'"', after)).replace(_FIRST_ROUND, unique)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
