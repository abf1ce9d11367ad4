"""The log that everything is measured on: seeded events of 14 fields, about 370 bytes each."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 1, tzinfo=UTC)
SPAN_S = 8_000.0
"""So that events leave the longest window, which is an hour, again."""
ERRORS, REVERSALS = 0.03, 0.02
"""Shares of all events. A reversal names the last action of its workflow."""


def events(
    count: int, workflows: int, *, span_s: float = SPAN_S, seed: int = 1
) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values. Each workflow has one of the first events; after that they are random."""
    chance = random.Random(seed)
    step = timedelta(seconds=span_s / count)
    last: dict[int, str] = {}  # action of each workflow
    for number in range(count):
        place = number if number < workflows else int(chance.random() * workflows)
        event_id = f"0198b2c4-0000-7000-8000-{number:012d}"
        ts = (START + number * step).isoformat(timespec="milliseconds")[:23]
        reverses = last.get(place) if chance.random() < REVERSALS else None
        if reverses is None:
            last[place] = event_id
        undone = f'"{reverses}"' if reverses else "null"
        yield (
            b"refunds-%d" % place,
            (
                f'{{"event_id":"{event_id}","ts":"{ts}Z","workflow":"refunds-{place}",'
                f'"automation":"refund-bot","capability":"transact","action":"refund.create",'
                f'"target":"ch_{int(chance.random() * 10**8):08d}",'
                f'"outcome":"{"error" if chance.random() < ERRORS else "success"}",'
                f'"value":{chance.lognormvariate(3, 1):.2f},"currency":"USD",'
                f'"reverses":{undone},"by":"{"human" if reverses else "automation"}",'
                f'"mode":"live","labels":{{"region":"eu-west-1"}}}}'
            ).encode(),
        )
