"""A short rest for consumers whose broker does not wait.

A fetch asks the broker to wait until there is something to answer. The embedded broker answers
an empty one at once, so that an idle consumer would ask it a thousand times a second.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

REST_S = 0.01
"""The least time that a fetch without records takes: so much longer may a record wait, and only
where nothing flows. Apache Kafka takes longer by itself."""


def rest_when_idle(consumer: Any) -> None:
    """Have a started aiokafka consumer ask no sooner again after an answer without records."""
    fetcher = consumer._fetcher
    ask = fetcher._proc_fetch_request

    async def ask_and_rest(*request: Any) -> bool:
        asked_at = monotonic()
        try:
            brought_records: bool = await ask(*request)
            if not brought_records:
                await asyncio.sleep(REST_S - (monotonic() - asked_at))
        except asyncio.CancelledError:  # the fetcher, when it closes, takes no other answer
            return False
        return brought_records

    fetcher._proc_fetch_request = ask_and_rest
