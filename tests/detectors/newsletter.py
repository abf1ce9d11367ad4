"""A newsletter: 500 people every day at 14:00, and a bound of four times usual an hour.

Hours count from the Monday after the start of all logs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from detectors.columns import Records
from detectors.line import Line
from detectors.plan import compile_book
from tests.eventlog import book, line

REACH = {"rate": "volume", "of": "recipients", "over": "1h", "above": "4x usual"}
MONDAY_S = 40 * 3600
WEEK, DAY = 168, 24
TUESDAY = DAY


def send(hour: float, recipients: int = 500, **fields: Any) -> bytes:
    """People reached at once, so many hours after Monday began."""
    known = {"recipients": recipients, "value": recipients, "currency": "USD"}
    return line(f"at-{hour}", MONDAY_S + hour * 3600, **known | fields)


def daily(days: Iterable[int], recipients: int = 500, hour: float = 14) -> list[bytes]:
    """The same every day."""
    return [send(day * DAY + hour, recipients) for day in days]


WEEKS_6 = daily(range(42))


def hour_of(event: bytes) -> float:
    """When it was sent."""
    return float(event.split(b'"')[3].removeprefix(b"at-"))


def bounds(log: list[bytes], rule: dict[str, Any] = REACH) -> list[float]:
    """The bound that held at each event."""
    reader = Line(compile_book(book(rule)), "runs", read_out=True)
    return [float(reading["bound"]) for reading in reader.take(Records(log)).readings]


def last_bound(*logs: list[bytes], rule: dict[str, Any] = REACH) -> float:
    """The bound that held at the last event."""
    return bounds([event for log in logs for event in log], rule)[-1]
