"""How a monitor ends when it is told to."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.andon.streaming import until
from tests.e2e.conftest import MONEY
from tests.e2e.harness import Kafka, Monitor, Unique

SLOW_READER = """
import asyncio
import streams.app
from andon.cli import main
from streams.topic_reader import TopicReader

read = TopicReader.new_records

async def read_slowly(self):
    async for record in read(self):
        yield record
    print("reads", flush=True)
    await asyncio.sleep(0.5)
    await self._consumer.getmany()

TopicReader.new_records = read_slowly
streams.app.FOLLOW_EVERY_S = 0
main()
"""


def test_it_ends_well_while_it_reads_what_people_command(
    kafka: Kafka, tmp_path: Path, unique: Unique
) -> None:
    policy = {"name": "only", "rules": [MONEY]}
    monitor = Monitor(kafka.address, tmp_path, [policy], "--no-alerts", group=unique("group"))
    monitor.run_as(sys.executable, "-c", SLOW_READER)
    with monitor:
        until(lambda: monitor.said.count("reads") > 2, "the monitor to follow people")
        assert monitor.stop() == 0, monitor.log.read_text()
