"""What the windows remember: arrays that grow, shared by all workflows of a partition.

Rows are events, one linked list a stream in time order. A stream is a workflow under one policy.
Slots are running sums: a block of one a rule for each stream, and one for each group of a rule
that has groups. Everything is plain numbers, so that a state can be written and read as it is.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

NONE = -1
LONG_AGO = int(np.iinfo(np.int64).min // 4)
"""Microseconds; earlier than any event, and no window reaches below it by overflow."""

# Places in `State.counters`.
ROWS, FREE_ROW, LIVE_ROWS, SLOTS, FREE_SLOT, GROUPS, WAITING = range(7)

Family = Literal["row", "stream", "slot", "waiting"]


class State(NamedTuple):
    """Arrays whose last axis is their family's, and hash tables (linear probing) over them."""

    counters: NDArray[np.int64]
    # a row: one event
    time: NDArray[np.int64]
    ident: NDArray[np.uint64]
    value: NDArray[np.float64]
    recipients: NDArray[np.float64]  # kept only where a rule adds them up
    flags: NDArray[np.uint32]
    currency: NDArray[np.uint16]
    later: NDArray[np.int32]
    earlier: NDArray[np.int32]
    slot_of: NDArray[np.int32]  # (columns, rows): the slot of the row in each grouped rule
    row_table: NDArray[np.int32]
    # a stream: a workflow under one policy
    policy: NDArray[np.int32]
    workflow: NDArray[np.int32]
    newest: NDArray[np.int64]
    floor: NDArray[np.int64]  # events up to here are forgiven: a person let the workflow run again
    head: NDArray[np.int32]
    oldest: NDArray[np.int32]
    first_slot: NDArray[np.int32]
    tail: NDArray[np.int32]  # (windows, streams): the first row that the newest window holds
    workflow_newest: NDArray[np.int64]  # by workflow; there are no more of them than streams
    # a slot: running sums of one rule in one group
    above: NDArray[np.float64]
    below: NDArray[np.float64]
    events: NDArray[np.int64]
    crossed: NDArray[np.bool_]
    key: NDArray[np.uint64]
    owner: NDArray[np.int32]  # the stream
    holders: NDArray[np.int32]  # rows that point here; a free slot keeps the next free one here
    group_table: NDArray[np.int32]
    # a reversal that came before its action (a hash table in itself)
    waiting_key: NDArray[np.uint64]
    waiting_time: NDArray[np.int64]
    waiting_owner: NDArray[np.int32]


class Field(NamedTuple):
    """How an array of the state is made and grown."""

    family: Family
    dtype: type[np.generic]
    fill: int = 0


FIELDS: dict[str, Field] = {
    "time": Field("row", np.int64),
    "ident": Field("row", np.uint64),
    "value": Field("row", np.float64),
    "recipients": Field("row", np.float64),
    "flags": Field("row", np.uint32),
    "currency": Field("row", np.uint16),
    "later": Field("row", np.int32, NONE),
    "earlier": Field("row", np.int32, NONE),
    "slot_of": Field("row", np.int32, NONE),
    "policy": Field("stream", np.int32),
    "workflow": Field("stream", np.int32),
    "newest": Field("stream", np.int64, LONG_AGO),
    "floor": Field("stream", np.int64, LONG_AGO),
    "head": Field("stream", np.int32, NONE),
    "oldest": Field("stream", np.int32, NONE),
    "first_slot": Field("stream", np.int32),
    "tail": Field("stream", np.int32, NONE),
    "workflow_newest": Field("stream", np.int64, LONG_AGO),
    "above": Field("slot", np.float64),
    "below": Field("slot", np.float64),
    "events": Field("slot", np.int64),
    "crossed": Field("slot", np.bool_),
    "key": Field("slot", np.uint64),
    "owner": Field("slot", np.int32, NONE),
    "holders": Field("slot", np.int32),
    "waiting_key": Field("waiting", np.uint64),
    "waiting_time": Field("waiting", np.int64),
    "waiting_owner": Field("waiting", np.int32, NONE),
}
TABLES: dict[Family, tuple[str, str]] = {
    "row": ("row_table", "ident"),
    "slot": ("group_table", "key"),
}
"""The hash table over a family, and the array that holds its keys."""

_FIRST_SIZE: dict[Family, int] = {"row": 1024, "stream": 64, "slot": 256, "waiting": 64}


def empty_state(*, columns: int, windows: int, recipients: bool) -> State:
    """A state without events.

    Args:
        columns: the most rules with groups that one policy has.
        windows: the most different windows that one policy has.
        recipients: whether any rule adds up recipients.
    """
    lead = {"slot_of": (columns,), "tail": (windows,)}
    arrays: dict[str, NDArray[Any]] = {
        name: np.full((*lead.get(name, ()), _FIRST_SIZE[field.family]), field.fill, field.dtype)
        for name, field in FIELDS.items()
        if recipients or name != "recipients"
    }
    if not recipients:
        arrays["recipients"] = np.zeros(0)
    for family, (table, _) in TABLES.items():
        arrays[table] = np.full(table_size(_FIRST_SIZE[family]), NONE, np.int32)
    counters = np.zeros(7, np.int64)
    counters[[FREE_ROW, FREE_SLOT]] = NONE
    return State(counters=counters, **arrays)


def grown(state: State, family: Family, size: int) -> State:
    """The state with every array of a family extended to `size`; its hash table is left alone."""
    changes = {}
    for name, field in FIELDS.items():
        old: NDArray[Any] = getattr(state, name)
        if field.family == family and not (name == "recipients" and old.size == 0):
            new = np.full((*old.shape[:-1], size), field.fill, field.dtype)
            new[..., : old.shape[-1]] = old
            changes[name] = new
    return state._replace(**changes)


def table_size(items: int) -> int:
    """A power of two that so many items fill to three quarters at the most."""
    return 1 << (items * 4 // 3).bit_length()
