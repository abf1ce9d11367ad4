"""A steady load of events on the event topic, in the background.

python -m bench.load SERVERS PER_S
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from itertools import cycle, islice
from time import monotonic

from aiokafka import AIOKafkaProducer

from andon.topics import EVENTS
from bench.events import events

WORKFLOWS = 500
TICK_S = 0.1
DIFFERENT = 100_000


async def main(servers: str, per_s: int) -> None:
    """Ends when it is killed; says how many it wrote, once a second."""
    producer = AIOKafkaProducer(
        bootstrap_servers=servers, acks=1, compression_type="gzip", max_batch_size=1 << 20
    )
    await producer.start()
    partitions = sorted(await producer.partitions_for(EVENTS))
    source = _endless()
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


def _endless() -> Iterator[tuple[bytes, bytes]]:
    """The same events again and again, under other ids."""
    some = list(events(DIFFERENT, WORKFLOWS))
    for number, (key, value) in enumerate(cycle(some)):
        yield key, value.replace(b"0198b2c4-0000", b"0198b2c4-%04x" % (number // DIFFERENT % 65536))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
