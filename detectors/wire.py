"""Single events as objects, read when somebody looks at one closely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import SupportsIndex, overload

import msgspec
from msgspec import Struct
from numpy import int64
from numpy.typing import NDArray

from andon.events import Event, format_ts, parse_event


class WireEvent(Struct, gc=False):
    """One record's value, as far as rules and people ask for it; it was checked before."""

    event_id: str
    ts: str
    workflow: str
    automation: str
    capability: str
    action: str
    outcome: str
    target: str | None = None
    value: float | None = None
    currency: str | None = None
    recipients: int | None = None
    reverses: str | None = None
    by: str = "automation"
    mode: str = "live"
    run: str | None = None
    andon_policy: str | None = None  # see detectors.scoped


_decode = msgspec.json.Decoder(WireEvent).decode
_KEPT = set(WireEvent.__struct_fields__) - {"ts"}


def read_event(value: bytes | None) -> WireEvent:
    """An event that the compiled reader took; limits and choices are not checked again.

    Raises:
        EventError: it is none.
    """
    try:
        return _decode(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError):  # a CloudEvent, or none
        return from_event(parse_event(value))


def from_event(event: Event) -> WireEvent:
    """The same event after pydantic has read it."""
    return WireEvent(ts=format_ts(event.ts), **event.model_dump(mode="python", include=_KEPT))


class Events(Sequence[WireEvent]):
    """The events of a batch, each made when it is asked for."""

    def __init__(
        self,
        values: Sequence[bytes | None],
        record: NDArray[int64],
        parsed: Mapping[int, WireEvent],
    ) -> None:
        """`record` says which of the values are events; of some the events are at hand."""
        self._values, self._record, self._parsed = values, record, parsed

    def __len__(self) -> int:
        return len(self._record)

    @overload
    def __getitem__(self, index: SupportsIndex) -> WireEvent: ...
    @overload
    def __getitem__(self, index: slice) -> list[WireEvent]: ...

    def __getitem__(self, index: SupportsIndex | slice) -> WireEvent | list[WireEvent]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        record = int(self._record[index])
        parsed = self._parsed.get(record)
        return read_event(self._values[record]) if parsed is None else parsed
