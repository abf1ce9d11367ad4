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
from detectors import flags
from detectors.kernel.clock import UNREAD
from detectors.plan import MICRO, Compiled
from detectors.state import NONE
from detectors.times import parse_times
from detectors.windows import Batch, Windows
from detectors.wire import WireEvent, decode, from_event

PROFILES_MAX = 1 << 19
"""Profiles that are remembered; past it all are forgotten and learnt again."""

WATCHED, UNWATCHED, NOT_LIVE, ODD = 0, 1, 2, 3


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
    batch: Batch
    rejected: list[Rejected]
    records: Records
    currencies: list[str]  # what the numbers in `batch.currency` stand for

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
        self._compiled = compiled
        self._windows = windows
        self._currencies: dict[str, int] = {}
        self.currencies: list[str] = [""]
        self._forget_profiles()

    def read(self, records: Records) -> Columns:
        """Decode records; none raises: what is no event is in `rejected`."""
        if len(self._profiles) > PROFILES_MAX:
            self._forget_profiles()
        values = records.values
        keys = records.keys or [None] * len(values)
        events = _read(values)
        times = parse_times([event.ts for event in events])
        profiles = np.array(
            [self._profile(key, event) for key, event in zip(keys, events, strict=True)], np.int64
        )
        odd = (times == UNREAD) | (self._kind[profiles] == ODD)
        if records.appended_ms is not None:
            odd |= times - records.appended_ms * 1000 > AHEAD_MAX_S * MICRO
        if not odd.any():
            return self._columns(events, np.arange(len(events)), times, profiles, [], records)
        rejected = []
        for index in map(int, np.flatnonzero(odd)):
            append_ms = None if records.appended_ms is None else int(records.appended_ms[index])
            try:
                event = parse_event(values[index], key=keys[index], append_ms=append_ms)
            except EventError as error:
                rejected.append(Rejected(index, error))
                continue
            events[index] = from_event(event)
            times[index] = round(event.ts.timestamp() * MICRO)
            profiles[index] = self._profile(None, events[index])
            odd[index] = False
        keep = np.flatnonzero(~odd)
        kept = [events[index] for index in keep]
        return self._columns(kept, keep, times[keep], profiles[keep], rejected, records)

    def _columns(
        self,
        events: list[WireEvent],
        record: NDArray[np.int64],
        times: NDArray[np.int64],
        profiles: NDArray[np.int64],
        rejected: list[Rejected],
        records: Records,
    ) -> Columns:
        policy = self._policy[profiles]
        values = np.array([event.value for event in events], np.float64)
        people = [event.recipients or 0 for event in events]
        batch = Batch(
            stream=self._stream[profiles],
            time=times,
            ident=_hashes([event.event_id for event in events]),
            flags=self._flags[profiles],
            value=np.nan_to_num(np.rint(values * MICRO)),
            recipients=np.array(people, np.float64),
            currency=self._currency[profiles],
            reverses=np.zeros(len(events), np.uint64),
            groups=np.zeros((self._windows.columns, len(events)), np.uint64),
        )
        undoing = np.flatnonzero(batch.flags & flags.REVERSES)
        batch.reverses[undoing] = _hashes([events[index].reverses or "" for index in undoing])
        for place, plan in enumerate(self._compiled.policies):
            if plan.by_target or plan.groups:
                self._by_event(place, events, profiles, np.flatnonzero(policy == place), batch)
        kind = self._kind[profiles]
        currencies = self.currencies
        return Columns(events, record, policy, kind, batch, rejected, records, currencies)

    def _by_event(
        self,
        policy: int,
        events: list[WireEvent],
        profiles: NDArray[np.int64],
        mine: NDArray[np.int64],
        batch: Batch,
    ) -> None:
        """What no profile can know: filters on the target, and the values that make groups."""
        plan = self._compiled.policies[policy]
        for index in mine:
            event = events[index]
            if plan.by_target:
                batch.flags[index] |= self._target_bits(int(profiles[index]), policy, event)
            for column, fields in enumerate(plan.groups):
                batch.groups[column, index] = group_hash(event, fields)

    def _target_bits(self, profile: int, policy: int, event: WireEvent) -> int:
        known = self._targets.get((profile, event.target))
        if known is None:
            wheres = self._compiled.policies[policy].wheres
            known = sum(bit for bit, where in wheres if where.target and where.passes(event))
            if len(self._targets) >= PROFILES_MAX:
                self._targets.clear()
            self._targets[profile, event.target] = known
        return known

    def _profile(self, key: bytes | None, event: WireEvent) -> int:
        profile = (
            key,
            event.workflow,
            event.automation,
            event.capability,
            event.action,
            event.outcome,
            event.by,
            event.mode,
            event.currency,
            event.value is None,
            event.reverses is None,
            event.run is None,
            event.specversion is msgspec.UNSET,
        )
        known = self._profiles.get(profile)
        return self._learn(profile, key, event) if known is None else known

    def _learn(self, profile: tuple[Any, ...], key: bytes | None, event: WireEvent) -> int:
        number = len(self._profiles)
        if number == self._kind.size:
            self._resize(number * 2)
        kind, policy = self._kind_and_policy(key, event)
        self._kind[number], self._policy[number] = kind, policy
        self._stream[number] = NONE
        if kind == WATCHED:
            self._stream[number] = self._windows.stream(event.workflow, policy)
        self._flags[number] = self._flags_of(event, policy)
        self._currency[number] = self._currency_of(event)
        self._profiles[profile] = number
        return number

    def _kind_and_policy(self, key: bytes | None, event: WireEvent) -> tuple[int, int]:
        lettered = event.currency is None or (event.currency.isascii() and event.currency.isalpha())
        priced = event.value is None or event.currency is not None
        keyed = key is None or key == event.workflow.encode()
        if event is _UNREADABLE or event.specversion is not msgspec.UNSET:
            return ODD, NONE
        if not (lettered and priced and keyed):
            return ODD, NONE
        policy = self._compiled.book.find(event.workflow, event.automation, event.capability)
        if policy is None or self._compiled.book.policies[policy].mode == "off":
            return UNWATCHED, NONE
        return (WATCHED if event.mode == "live" else NOT_LIVE), policy

    def _flags_of(self, event: WireEvent, policy: int) -> int:
        bits = flags.BITS[event.outcome] | flags.BITS[event.by]
        bits |= flags.REVERSES if event.reverses is not None else 0
        bits |= flags.HAS_RUN if event.run is not None else 0
        if policy == NONE:
            return bits
        plan = self._compiled.policies[policy]
        for bit, where in plan.wheres:
            bits |= bit if not where.target and where.passes(event) else 0
        for bit, currency in plan.currencies:
            bits |= bit if (event.currency or "").upper() == currency else 0
        return bits

    def _currency_of(self, event: WireEvent) -> int:
        if event.currency is None or event.value is None:
            return 0
        currency = event.currency.upper()
        if currency not in self._currencies:
            self._currencies[currency] = len(self.currencies)
            self.currencies.append(currency)
        return self._currencies[currency]

    def _forget_profiles(self) -> None:
        self._profiles: dict[tuple[Any, ...], int] = {}
        self._targets: dict[tuple[int, str | None], int] = {}
        self._kind = np.zeros(0, np.int8)
        self._policy = np.zeros(0, np.int32)
        self._stream = np.zeros(0, np.int32)
        self._flags = np.zeros(0, np.uint32)
        self._currency = np.zeros(0, np.uint16)
        self._resize(256)

    def _resize(self, size: int) -> None:
        for name in ("_kind", "_policy", "_stream", "_flags", "_currency"):
            old = getattr(self, name)
            new = np.zeros(size, old.dtype)
            new[: old.size] = old
            setattr(self, name, new)


_UNREADABLE = WireEvent("", "", "", "", "send", "", "denied")
"""Stands in for a record that msgspec refused, until pydantic has had its say."""


def _read(values: Sequence[bytes | None]) -> list[WireEvent]:
    return [_read_one(value) for value in values]


def _read_one(value: bytes | None) -> WireEvent:
    try:
        if not value.isascii():  # type: ignore[union-attr]
            value.decode()  # type: ignore[union-attr]  # msgspec skips unknown fields unchecked
        return decode(value)  # type: ignore[arg-type]
    except (msgspec.MsgspecError, UnicodeDecodeError, AttributeError, RecursionError):
        return _UNREADABLE


def _hashes(texts: Sequence[str]) -> NDArray[np.uint64]:
    return np.array([xxh3_64_intdigest(text.encode()) for text in texts], np.uint64)


def group_hash(event: WireEvent, fields: Sequence[str]) -> int:
    """One number for the values of these fields."""
    return xxh3_64_intdigest(repr([getattr(event, field) for field in fields]).encode())


def group_values(event: WireEvent, fields: Sequence[str]) -> dict[str, Any]:
    """The values themselves, as people read them."""
    return {field: getattr(event, field) for field in fields}
