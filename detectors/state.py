"""What the windows remember: arrays of records, shared by all workflows of a partition.

A row is an event; the rows of a stream are a list in time order. A stream is a workflow under one
policy. A slot is a running sum: one a rule for each stream, and one for each group of a rule that
has groups. Everything is plain numbers, so that a state can be written and read as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.evidence import ALTERNATIVES

NONE = -1
LONG_AGO = int(np.iinfo(np.int64).min // 4)
"""Microseconds; earlier than any event, and no window reaches below it by overflow."""

# Places in `State.counters`.
ROWS, FREE_ROW, LIVE_ROWS, SLOTS, FREE_SLOT, GROUPS, WAITING = range(7)
CLOCK = 7  # the time of the partition's newest event
WORKFLOWS, SWEEP_AT, FULL, FORGOTTEN, EVICTED = range(8, 13)  # see detectors.forgetting
SILENT_GROUPS = 13  # groups that are kept without rows, because their rule is still crossed
EXACT_MAX, COARSENED = 14, 15  # see detectors.kernel.folding
# Of rules against usual; HISTORY_WANTED is 1 where a stream wants one and no room is left.
HISTORIES, HISTORY_WANTED, HISTORIES_EVICTED = range(16, 19)
COUNTERS = 19
FOLDS = 256

EVENT = np.dtype(
    [
        ("time", np.int64),  # Unix microseconds
        ("key", np.uint64),  # hash of the event id; the loop overwrites it with what it stores
        ("reverses", np.uint64),  # hash of the id of the action undone, 0 for none
        ("value", np.float64),  # millionths of the currency
        ("recipients", np.float64),
        ("flags", np.uint32),
        ("stream", np.int32),  # NONE: no event for any window
        ("currency", np.uint16),  # 0: none
    ],
    align=True,
)
"""An event on its way in."""

ROW = np.dtype(
    [
        ("time", np.int64),
        ("key", np.uint64),
        ("value", np.float64),
        ("recipients", np.float64),
        ("flags", np.uint32),
        ("later", np.int32),  # also links the free rows
        ("earlier", np.int32),
        ("currency", np.uint16),
        ("count", np.uint16),  # of events; more than one where old ones were folded
    ],
    align=True,
)
STREAM = np.dtype(
    [
        ("newest", np.int64),
        ("floor", np.int64),  # events up to here are forgiven: a person let the workflow run
        ("coarse", np.int64),  # events up to here may be folded; see detectors.kernel.folding
        ("policy", np.int32),
        ("workflow", np.int32),
        ("head", np.int32),  # the newest row
        ("oldest", np.int32),
        ("first_slot", np.int32),
        ("history", np.int32),  # NONE: not looked for yet
        ("history_key", np.uint64),
        ("rests", np.bool_),  # the workflow is paused: nothing is learned from it
        ("rows", np.int32),
    ],
    align=True,
)
SLOT = np.dtype(
    [
        ("above", np.float64),
        ("above_rest", np.float64),  # what rounding took from the sum
        ("below", np.float64),
        ("below_rest", np.float64),
        ("events", np.int64),
        ("key", np.uint64),
        ("owner", np.int32),  # the stream
        ("holders", np.int32),  # rows that point here; also links the free slots
        ("rule", np.int32),  # of a group; NONE for a stream's own
        ("crossed", np.bool_),
    ],
    align=True,
)
EVIDENCE = np.dtype(
    [
        ("odds", np.float64, (ALTERNATIVES,)),  # M of detectors.evidence
        ("newest", np.int64),  # the latest event that is in them
        ("tripped", np.int64),  # events up to here are spent
    ],
    align=True,
)
WEEK_H = 168
WEEKS, DAYS = 5, 28
"""How many levels of each hour of the week, and of how many days, a history keeps."""

HISTORY = np.dtype([("key", np.uint64), ("hour", np.int64)], align=True)
"""What a workflow did under a policy; `hour` is the open one, counted from 1970."""

BASELINE = np.dtype(
    [
        ("weeks", np.float32, (WEEK_H * WEEKS,)),  # levels, newest first; below 0: none yet
        ("days", np.float32, (DAYS,)),  # levels, in a ring
        ("days_seen", np.int64),
        ("learns_from", np.int64),  # the first hour that teaches
        ("doubted_until", np.int64),  # before this hour the hours of the week are not asked
        ("peak", np.float64),  # the level of the open hour so far
        ("busiest", np.float64),  # of the day so far; below 0: no events yet
        ("bound", np.float64),  # in the open hour
        ("counted", np.bool_),  # has the open hour had events?
    ],
    align=True,
)
"""What one rule with a bound against usual knows of a history (see detectors.usual)."""

PLACE = np.dtype([("number", np.int32), ("tag", np.uint32)], align=True)
"""A place of a hash table: the record there, or NONE, and the low half of its key."""

WAITER = np.dtype([("key", np.uint64), ("time", np.int64), ("owner", np.int32)], align=True)
"""A reversal that came before its action."""


class State(NamedTuple):
    """All that a partition's windows hold. Tables are hash tables over the records."""

    counters: NDArray[np.int64]
    rows: NDArray[np.void]
    row_table: NDArray[np.void]  # PLACE
    slot_of: NDArray[np.int32]  # (columns, rows): the slot of the row in each grouped rule
    streams: NDArray[np.void]
    tail: NDArray[np.int32]  # (windows, streams): the first row that the newest window holds
    workflow_newest: NDArray[np.int64]  # by workflow; there are no more of them than streams
    slots: NDArray[np.void]
    evidence: NDArray[np.void]  # (1 or, where no rule goes by evidence, 0; slots): EVIDENCE
    ahead: NDArray[np.float64]  # odds looked ahead to; of no meaning between two events
    group_table: NDArray[np.void]
    waiting: NDArray[np.void]  # a hash table in itself
    histories: NDArray[np.void]
    history_table: NDArray[np.void]
    baselines: NDArray[np.void]  # (the most rules against usual that one policy has, histories)
    folds: NDArray[np.int32]  # rows that others are folded into; of no meaning between two events


Family = Literal["row", "stream", "slot", "history"]

_FAMILIES: dict[Family, tuple[str, ...]] = {
    "row": ("rows", "slot_of"),
    "stream": ("streams", "tail", "workflow_newest"),
    "slot": ("slots", "evidence"),
    "history": ("histories", "baselines"),
}
"""Arrays whose last axis grows together; what is new in them is set when it is first used."""

TABLES: dict[Family, tuple[str, str]] = {
    "row": ("row_table", "rows"),
    "slot": ("group_table", "slots"),
    "history": ("history_table", "histories"),
}
"""The hash table over a family's records."""


def empty_state(*, columns: int, windows: int, by_evidence: bool, usuals: int) -> State:
    """A state without events.

    Args:
        columns: the most rules with groups that one policy has.
        windows: the most different windows that one policy has.
        by_evidence: whether any rule goes by evidence.
        usuals: the most rules against usual that one policy has.
    """
    counters = np.zeros(COUNTERS, np.int64)
    counters[[FREE_ROW, FREE_SLOT]] = NONE
    counters[CLOCK] = LONG_AGO
    counters[COARSENED] = NONE
    return State(
        counters=counters,
        rows=np.zeros(0, ROW),
        row_table=empty_table(0),
        slot_of=np.zeros((columns, 0), np.int32),
        streams=np.zeros(0, STREAM),
        tail=np.zeros((windows, 0), np.int32),
        workflow_newest=np.zeros(0, np.int64),
        slots=np.zeros(0, SLOT),
        evidence=np.zeros((int(by_evidence), 0), EVIDENCE),
        ahead=np.zeros(ALTERNATIVES),
        group_table=empty_table(0),
        waiting=no_waiters(1),
        histories=np.zeros(0, HISTORY),
        history_table=empty_table(0),
        baselines=np.zeros((usuals, 0), BASELINE),
        folds=np.zeros(FOLDS, np.int32),
    )


def size(state: State, family: Family) -> int:
    """How many records of a family have room."""
    return int(getattr(state, _FAMILIES[family][0]).size)


def grown(state: State, family: Family, items: int) -> State:
    """The state with room for so many records of a family; its hash table is left alone."""
    changes: dict[str, Any] = {}
    for name in _FAMILIES[family]:
        old = getattr(state, name)
        new = np.zeros((*old.shape[:-1], items), old.dtype)
        _whole(new)[..., : old.shape[-1]] = _whole(old)
        changes[name] = new
    return state._replace(**changes)


def compact(state: State, used: Mapping[Family, int]) -> State:
    """A copy, without the room that nothing is in."""
    last = {name: used[family] for family, names in _FAMILIES.items() for name in names}
    arrays = state._asdict()
    return State(**{name: copied(arrays[name][..., : last.get(name)]) for name in arrays})


def copied(array: NDArray[Any]) -> NDArray[Any]:
    """A copy, record by record."""
    return _whole(array).copy().view(array.dtype)


def _whole(array: NDArray[Any]) -> NDArray[np.void]:
    """The same memory, to be copied by the record: numpy copies records field by field."""
    return array.view(np.dtype((np.void, array.itemsize)))


def empty_table(items: int) -> NDArray[np.void]:
    """A hash table that so many items fill to three quarters at the most."""
    table = np.zeros(1 << (items * 4 // 3).bit_length(), PLACE)
    table["number"] = NONE
    return table


def no_waiters(items: int) -> NDArray[np.void]:
    """A table for so many waiting reversals, filled to a half at the most."""
    waiting = np.zeros(1 << (2 * items).bit_length(), WAITER)
    waiting["owner"] = NONE
    return waiting
