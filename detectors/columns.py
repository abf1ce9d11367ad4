"""Raw records to columns, a batch at once.

msgspec reads what is well formed; whatever looks odd goes to pydantic, which says what is wrong
with it or that nothing is. What repeats from event to event (who, what, how it ended) is looked
up once as a profile and then is one number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from andon.commands import Position
from andon.errors import EventError
from andon.events import AHEAD_MAX_S, parse_event
from detectors.flags import REVERSES
from detectors.kernel.clock import UNREAD
from detectors.plan import MICRO, Compiled
from detectors.profiles import ODD, PROFILES_MAX, Profiles
from detectors.state import EVENT
from detectors.times import micros, parse_times
from detectors.windows import Windows
from detectors.wire import UNREADABLE, WireEvent, decode, from_event

VALUE_MAX = 1e290
"""What is larger counts as this much: no sum of it may become infinite."""


class Records(NamedTuple):
    """Raw records of one partition, in log order."""

    values: Sequence[bytes | None]
    keys: Sequence[bytes | None] | None = None
    appended_ms: NDArray[np.int64] | None = None  # the broker's append time, Unix milliseconds
    topic: str = ""
    partition: int = 0
    offsets: Sequence[int] | None = None


class Rejected(NamedTuple):
    """A record that is no event."""

    record: int
    error: EventError


class Columns(NamedTuple):
    """The events of a batch; every array has one entry an event, in log order."""

    events: list[WireEvent]
    record: NDArray[np.int64]  # where in the records the event stood
    policy: NDArray[np.int32]  # NONE where no policy watches the event
    kind: NDArray[np.int8]  # WATCHED, UNWATCHED, NOT_LIVE
    batch: NDArray[np.void]  # state.EVENT
    groups: NDArray[np.uint64]  # hashes of the values that make groups, (columns, n)
    currencies: list[str]  # what the numbers in `batch["currency"]` stand for
    rejected: list[Rejected]
    records: Records

    def source(self, index: int) -> Position | None:
        """Where the event stands in the log, if it came from one."""
        offsets = self.records.offsets
        if offsets is None:
            return None
        return Position(
            topic=self.records.topic,
            partition=self.records.partition,
            offset=offsets[int(self.record[index])],
        )


class Decoder:
    """Reads the records of one partition for its windows."""

    def __init__(self, compiled: Compiled, windows: Windows) -> None:
        self._policies = compiled.policies
        self._windows = windows
        self._profiles = Profiles(compiled, windows)

    @property
    def currencies(self) -> list[str]:
        """What the windows' currency numbers stand for."""
        return self._profiles.currencies

    def know_currencies(self, codes: list[str]) -> None:
        """Let the numbers stand for these again."""
        self._profiles.know_currencies(codes)

    def read(self, records: Records) -> Columns:
        """Decode records; none raises: what is no event is in `rejected`."""
        if self._windows.release() or len(self._profiles) > PROFILES_MAX:
            self._profiles.forget()
        values, appended_ms = records.values, records.appended_ms
        keys = records.keys or [None] * len(values)
        events = [_read(value) for value in values]
        times = parse_times([event.ts for event in events])
        numbers = np.array(list(map(self._profiles.number, keys, events)), np.int64)
        odd = (times == UNREAD) | (self._profiles.table["kind"][numbers] == ODD)
        if appended_ms is not None:
            odd |= times - appended_ms * 1000 > AHEAD_MAX_S * MICRO
        rejected = []
        for index in map(int, np.flatnonzero(odd)):
            append_ms = None if appended_ms is None else int(appended_ms[index])
            try:
                event = parse_event(values[index], key=keys[index], append_ms=append_ms)
            except EventError as error:
                rejected.append(Rejected(index, error))
                continue
            events[index], times[index] = from_event(event), micros(event.ts)
            numbers[index] = self._profiles.number(None, events[index])
            odd[index] = False
        keep = np.flatnonzero(~odd)
        if rejected:
            events = [events[index] for index in keep]
        return self._filled(events, keep, times[keep], numbers[keep], rejected, records)

    def _filled(
        self,
        events: list[WireEvent],
        record: NDArray[np.int64],
        times: NDArray[np.int64],
        numbers: NDArray[np.int64],
        rejected: list[Rejected],
        records: Records,
    ) -> Columns:
        profiles = self._profiles.table[numbers]
        batch = np.zeros(len(events), EVENT)
        batch["time"] = times
        for name in ("stream", "flags", "currency"):
            batch[name] = profiles[name]
        batch["key"] = _hashes([event.event_id for event in events])
        batch["value"] = _millionths([event.value for event in events])
        batch["recipients"] = [event.recipients or 0 for event in events]
        undoing = np.flatnonzero(batch["flags"] & REVERSES)
        batch["reverses"][undoing] = _hashes([events[index].reverses or "" for index in undoing])
        groups = np.zeros((self._windows.columns, len(events)), np.uint64)
        for place, plan in enumerate(self._policies):
            if plan.by_target or plan.groups:
                for index in np.flatnonzero(profiles["policy"] == place):
                    event = events[index]
                    if plan.by_target:
                        bits = self._profiles.target_bits(int(numbers[index]), event)
                        batch["flags"][index] |= bits
                    for column, fields in enumerate(plan.groups):
                        groups[column, index] = group_hash(event, fields)
        return Columns(
            events,
            record,
            profiles["policy"],
            profiles["kind"],
            batch,
            groups,
            self._profiles.currencies,
            rejected,
            records,
        )


def _read(value: bytes | None) -> WireEvent:
    try:
        if not value.isascii():  # type: ignore[union-attr]
            value.decode()  # type: ignore[union-attr]  # msgspec skips unknown fields unchecked
        return decode(value)  # type: ignore[arg-type]
    except (msgspec.MsgspecError, UnicodeDecodeError, AttributeError, RecursionError):
        return UNREADABLE


def _millionths(values: Sequence[float | None]) -> NDArray[np.float64]:
    """Money to add up: whole where all but rounding is whole, so that sums of cents are exact."""
    parts = np.minimum(np.array(values, np.float64), VALUE_MAX) * MICRO
    parts[np.isnan(parts)] = 0.0
    whole = np.rint(parts)
    np.copyto(parts, whole, where=np.abs(parts - whole) <= parts * 1e-15)
    return parts


def _hashes(texts: Sequence[str]) -> NDArray[np.uint64]:
    return np.array([xxh3_64_intdigest(text.encode()) for text in texts], np.uint64)


def group_hash(event: WireEvent, fields: Sequence[str]) -> int:
    """One number for the values of these fields."""
    return xxh3_64_intdigest(repr([getattr(event, field) for field in fields]).encode())


def group_values(event: WireEvent, fields: Sequence[str]) -> dict[str, Any]:
    """The values themselves, as people read them."""
    return {field: getattr(event, field) for field in fields}
