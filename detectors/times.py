"""RFC 3339 times of a whole batch, to microseconds since 1970."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from detectors.kernel.clock import UNREAD, parse


def parse_times(texts: Sequence[str]) -> NDArray[np.int64]:
    """Unix microseconds of each text, UNREAD where it is not plain RFC 3339 with an offset."""
    joined = "".join(texts)
    if not joined.isascii():
        return np.array([int(parse_times([t])[0]) if t.isascii() else UNREAD for t in texts])
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    times = np.empty(len(texts), np.int64)
    parse(np.frombuffer(joined.encode(), np.uint8), lengths, times)
    return times


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(ts_us: int) -> datetime:
    """So many microseconds after 1970 began."""
    return _EPOCH + timedelta(microseconds=ts_us)


def micros(ts: datetime) -> int:
    """Microseconds from 1970 to a moment, exactly."""
    return (ts - _EPOCH) // timedelta(microseconds=1)
