"""Quix Streams: a hopping window of an hour every quarter of one, with four sums; events/s.

python quix_events.py SERVERS TOPIC COUNT FOLDER
"""

from __future__ import annotations

import logging
import sys
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

from quixstreams import Application
from quixstreams.dataframe.windows import Sum

MB = 1 << 20


def main(servers: str, topic: str, count: int, folder: str) -> float:
    """From the first event to the last one."""
    app = Application(
        broker_address=servers,
        consumer_group=Path(folder).name,
        auto_offset_reset="earliest",
        state_dir=folder,
        loglevel=logging.WARNING,
        # The embedded broker answers with all that there is.
        consumer_extra_config={"receive.message.max.bytes": 1000 * MB},
    )
    times: list[float] = []
    frame = app.dataframe(app.topic(topic, value_deserializer="json", timestamp_extractor=_at))
    frame = frame.update(lambda _: times.append(perf_counter()))
    frame = frame.apply(_summed)
    window = frame.hopping_window(timedelta(hours=1), timedelta(minutes=15))
    window.agg(
        errors=Sum("errors"), reversals=Sum("reversals"), volume=Sum("volume"), value=Sum("value")
    ).current()
    app.run(count=count, timeout=120)
    return len(times) / (times[-1] - times[0])


def _at(value: dict[str, Any], headers: object, timestamp: float, kind: object) -> int:
    return int(datetime.fromisoformat(value["ts"]).timestamp() * 1000)


def _summed(value: dict[str, Any]) -> dict[str, Any]:
    good = value["outcome"] == "success"
    return {
        "errors": not good,
        "reversals": value["reverses"] is not None,
        "volume": good,
        "value": value["value"] if good else 0.0,
    }


if __name__ == "__main__":
    print(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
