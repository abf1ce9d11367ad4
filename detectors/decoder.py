"""Raw records to columns, a batch at once.

A compiled reader takes what is plain. Whatever looks odd goes to pydantic, which says what is wrong
with it, or that nothing is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from andon.errors import EventError
from andon.events import parse_event, parse_ts
from andon.rule import SAME_FIELDS
from detectors.columns import Columns, Records, Rejected
from detectors.fields import FIELDS, NUMBER_OF
from detectors.kernel import reading
from detectors.kernel.json_text import ODD
from detectors.kernel.spans import ORDER_ROOM
from detectors.kernel.words import ROOM
from detectors.plan import Compiled
from detectors.profiles import RESERVED, Profiles
from detectors.recent import Texts
from detectors.scoped import parse_forwarded
from detectors.state import EVENT, NONE
from detectors.times import micros
from detectors.windows import Windows
from detectors.wire import Events, WireEvent, from_event, read_event

GROUP_FIELDS_MAX = len(SAME_FIELDS) + 1
_FAR_FUTURE_US = np.iinfo(np.int64).max // 2


class _Source(NamedTuple):
    """Raw records as the compiled reader takes them: a NUL stands after each value."""

    text: NDArray[np.uint8]  # ends with room to be read by words
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    keys: NDArray[np.uint8]
    key_starts: NDArray[np.int64]
    key_lengths: NDArray[np.int64]  # NONE where there is no key
    appended_us: NDArray[np.int64]


class _Plans(NamedTuple):
    """What the reader needs of the policies, by their place."""

    by_target: NDArray[np.bool_]
    groups: NDArray[np.int8]  # (policies, columns, fields): places in FIELDS, then NONE


class _Scratch(NamedTuple):
    """Of the record at hand."""

    order: NDArray[np.int64]
    spans: NDArray[np.int64]  # (fields, 2): first byte, and past the last
    value: NDArray[np.float64]
    value_bits: NDArray[np.uint64]  # the same memory


class _Out(NamedTuple):
    """What was read, an entry a record."""

    state: NDArray[np.int8]  # reading.FINE, NEW_ACTOR, NEW_ACT, or ODD
    unknown: NDArray[np.uint64]  # the hash of what is new
    ids: NDArray[np.uint64]  # event ids, each from a word of its own on
    ids_end: NDArray[np.int64]
    id_start: NDArray[np.int64]  # in bytes
    id_length: NDArray[np.int64]
    policy: NDArray[np.int32]  # as detectors.columns.Columns
    kind: NDArray[np.int8]
    workflow: NDArray[np.int32]
    batch: NDArray[np.void]
    groups: NDArray[np.uint64]


class Decoder:
    """Reads the records of one partition for its windows; with `scoped` those of scopes."""

    def __init__(self, compiled: Compiled, windows: Windows, *, scoped: bool = False) -> None:
        self._windows = windows
        self._parse = parse_forwarded if scoped else _parse_plain
        self.profiles = Profiles(compiled, windows, scoped=scoped)
        self._plans = _plans_of(compiled, windows.columns)
        value = np.zeros(1)
        order = np.zeros(ORDER_ROOM, np.int64)
        spans = np.zeros((len(FIELDS), 2), np.int64)
        self._scratch = _Scratch(order, spans, value, value.view(np.uint64))

    def read(self, records: Records) -> Columns:
        """Decode records; none raises: what is no event is in `rejected`."""
        if self._windows.release() or self.profiles.full:
            self.profiles.forget()
        source = _source(records)
        out = _room_for(len(records.values), source.text.size, self._windows.columns)
        todo = np.arange(len(records.values))
        while todo.size:
            reading.read(todo, source, self.profiles.known, self._plans, self._scratch, out)
            todo = todo[out.state[todo] > reading.FINE]
            new = _first_of_each(todo, out.unknown)
            self._learn(new, out, [read_event(records.values[record]) for record in new])
        if self.profiles.any_reserved:
            out.state[out.kind == RESERVED] = ODD
        parsed: dict[int, WireEvent] = {}
        rejected = []
        for record in map(int, np.flatnonzero(out.state == ODD)):
            try:
                parsed[record] = event = self._parsed(records, record)
            except EventError as error:
                rejected.append(Rejected(record, error))
            else:
                self._place(record, event, micros(parse_ts(event.ts)), out)
        return self._columns(records, out, parsed, rejected)

    def _columns(
        self,
        records: Records,
        out: _Out,
        parsed: dict[int, WireEvent],
        rejected: list[Rejected],
    ) -> Columns:
        keep = np.flatnonzero(out.state == reading.FINE)
        kept = keep if rejected else slice(None)
        return Columns(
            events=Events(records.values, keep, parsed),
            event_ids=_event_ids(out, keep, parsed),
            record=keep,
            policy=out.policy[kept],
            kind=out.kind[kept],
            workflow=out.workflow[kept],
            batch=out.batch[kept],
            groups=out.groups[:, kept],
            currencies=self.profiles.currencies,
            rejected=rejected,
            records=records,
            workflows=self.profiles.workflows,
        )

    def _learn(self, records: list[int], out: _Out, events: list[WireEvent]) -> None:
        """Learn what is new in these records."""
        acts = [place for place, at in enumerate(records) if out.state[at] == reading.NEW_ACT]
        if acts:
            new = [records[place] for place in acts]
            self.profiles.learn_acts(
                out.unknown[new], out.policy[new], [events[place] for place in acts]
            )
        actors = [place for place, at in enumerate(records) if out.state[at] == reading.NEW_ACTOR]
        if actors:
            new = [records[place] for place in actors]
            self.profiles.learn_actors(out.unknown[new], [events[place] for place in actors])

    def _parsed(self, records: Records, record: int) -> WireEvent:
        key = None if records.keys is None else records.keys[record]
        append_ms = None if records.appended_ms is None else int(records.appended_ms[record])
        return self._parse(records.values[record], key=key, append_ms=append_ms)

    def _place(self, record: int, event: WireEvent, time: int, out: _Out) -> None:
        """Fill in an event that pydantic has read, by the same code as all others."""
        texts, spans = bytearray(), self._scratch.spans
        for number, field in enumerate(FIELDS):
            value, start = getattr(event, field.name, None), len(texts)
            texts += value.encode() if isinstance(value, str) else b""
            spans[number] = NONE if value is None else start, len(texts)
        self._scratch.value[0] = abs(event.value or 0.0)  # zero has a sign
        text, people = np.frombuffer(bytes(texts) + bytes(ROOM), np.uint8), event.recipients or 0
        while out.state[record] != reading.FINE:
            known = self.profiles.known
            out.state[record] = reading.place(
                record, text, time, people, known, self._plans, self._scratch, out
            )
            if out.state[record] != reading.FINE:
                self._learn([record], out, [event])


def _parse_plain(raw: bytes | None, *, key: bytes | None, append_ms: int | None) -> WireEvent:
    return from_event(parse_event(raw, key=key, append_ms=append_ms))


def _source(records: Records) -> _Source:
    values = _joined(records.values)
    if records.keys is None:
        keys = (*values[:2], np.full(len(records.values), NONE))
    else:
        keys = _joined(records.keys)
    if records.appended_ms is None:
        appended_us = np.full(len(records.values), _FAR_FUTURE_US)
    else:
        appended_us = records.appended_ms * 1000
    return _Source(*values, *keys, appended_us)


def _joined(
    values: Sequence[bytes | None],
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """All in one text, with a NUL behind each, and room to read words; where each starts, and its
    length, NONE for None.
    """
    if None in values:
        lengths = np.array([NONE if value is None else len(value) for value in values])
        values = [value or b"" for value in values]
    else:
        lengths = np.fromiter(map(len, values), np.int64, len(values))  # type: ignore[arg-type]
    text = np.frombuffer(b"\0".join([*values, bytes(ROOM)]), np.uint8)  # type: ignore[list-item]
    ends = np.cumsum(np.maximum(lengths, 0) + 1)
    return text, ends - lengths - 1, lengths


def _room_for(records: int, text_b: int, columns: int) -> _Out:
    return _Out(
        state=np.zeros(records, np.int8),
        unknown=np.zeros(records, np.uint64),
        ids=np.empty(text_b // 8 + records, np.uint64),  # the last word of each may be begun only
        ids_end=np.zeros(1, np.int64),
        id_start=np.zeros(records, np.int64),
        id_length=np.zeros(records, np.int64),
        policy=np.zeros(records, np.int32),
        kind=np.zeros(records, np.int8),
        workflow=np.zeros(records, np.int32),
        batch=np.zeros(records, EVENT),
        groups=np.zeros((columns, records), np.uint64),
    )


def _plans_of(compiled: Compiled, columns: int) -> _Plans:
    groups = np.full((len(compiled.policies), columns, GROUP_FIELDS_MAX), NONE, np.int8)
    for place, policy in enumerate(compiled.policies):
        for column, fields in enumerate(policy.groups):
            groups[place, column, : len(fields)] = [NUMBER_OF[field] for field in fields]
    return _Plans(np.array([policy.by_target for policy in compiled.policies]), groups)


def _first_of_each(places: NDArray[np.int64], keys: NDArray[np.uint64]) -> list[int]:
    """The first place of each different key, in log order."""
    _, first = np.unique(keys[places], return_index=True)
    found: list[int] = places[np.sort(first)].tolist()
    return found


def _event_ids(
    out: _Out, keep: NDArray[np.int64], parsed: Mapping[int, WireEvent]
) -> Sequence[str]:
    raw = out.ids[: out.ids_end[0]].tobytes()
    ids = Texts(raw, out.id_start[keep], out.id_length[keep])
    if not parsed:
        return ids
    return [
        parsed[record].event_id if record in parsed else ids[place]
        for place, record in enumerate(keep.tolist())
    ]
