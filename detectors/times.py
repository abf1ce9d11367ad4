"""Moments as microseconds since 1970, and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(ts_us: int) -> datetime:
    """So many microseconds after 1970 began."""
    return _EPOCH + timedelta(microseconds=ts_us)


def micros(ts: datetime) -> int:
    """Microseconds from 1970 to a moment, exactly."""
    return (ts - _EPOCH) // timedelta(microseconds=1)
