"""Stock Faust: hopping tables of an hour every quarter of one, with four sums; events/s.

python faust_events.py SERVERS TOPIC COUNT FOLDER
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import faust

SUMS = ("errors", "reversals", "volume", "value")


def app_of(servers: str, topic: str, count: int, folder: str) -> faust.App:
    """An application that prints its rate and ends after so many events."""
    app = faust.App(
        Path(folder).name,
        broker=f"kafka://{servers}",
        datadir=folder,
        store="memory://",
        topic_disable_leader=True,
        web_enabled=False,
        broker_session_timeout=10.0,
        broker_heartbeat_interval=2.0,
        broker_rebalance_timeout=15.0,
        topic_partitions=4,
    )
    tables = {name: _table(app, name) for name in SUMS}
    times: list[float] = []

    @app.agent(app.topic(topic, value_serializer="json"))
    async def add(stream: Any) -> None:
        async for value in stream:
            times.append(perf_counter())
            good = value["outcome"] == "success"
            sums = (not good, value["reverses"] is not None, good, value["value"] * good)
            for table, more in zip(tables.values(), sums, strict=True):
                table[value["workflow"]] += more
            if len(times) == count:
                print(count / (times[-1] - times[0]), file=sys.__stdout__, flush=True)
                os._exit(0)  # what is left to be done is not measured

    return app


def _table(app: faust.App, name: str) -> Any:
    table = app.Table(name, default=float, partitions=4)
    return table.hopping(3600, 900, expires=timedelta(hours=1))


if __name__ == "__main__":
    servers, topic, count, folder = sys.argv[1:5]
    faust.Worker(
        app_of(servers, topic, int(count), folder), loglevel="warn"
    ).execute_from_commandline()
