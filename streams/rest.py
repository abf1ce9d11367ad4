"""A short rest for aiokafka's consumers where the broker does not wait; `andon.rest` says why."""

from __future__ import annotations

import asyncio
import math
from time import monotonic
from typing import Any

from andon.rest import rest_s


def rest_when_idle(consumer: Any) -> None:
    """Have a started consumer ask no sooner again after an answer without records."""
    fetcher = consumer._fetcher
    ask = fetcher._proc_fetch_request
    heard_at = -math.inf

    async def ask_and_rest(*request: Any) -> bool:
        nonlocal heard_at
        asked_at = monotonic()
        try:
            brought_records: bool = await ask(*request)
            if brought_records:
                heard_at = monotonic()
            else:
                await asyncio.sleep(asked_at + rest_s(asked_at - heard_at) - monotonic())
        except asyncio.CancelledError:  # the fetcher, when it closes, takes no other answer
            return False
        return brought_records

    fetcher._proc_fetch_request = ask_and_rest
