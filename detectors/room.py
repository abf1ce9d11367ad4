"""Room for what comes: the compiled loop itself never allocates."""

from __future__ import annotations

from detectors.kernel import hashing, reversals
from detectors.plan import Plan
from detectors.state import (
    LIVE_ROWS,
    ROWS,
    SLOTS,
    TABLES,
    WAITING,
    Family,
    State,
    empty_table,
    grown,
    no_waiters,
    size,
)


def with_room(state: State, family: Family, items: int, most: int | None = None) -> State:
    """The state with room for so many records of a family, and then some, up to `most`."""
    room = size(state, family)
    if items <= room:
        return state
    items = max(items, room * 3 // 2, 256)
    state = grown(state, family, min(items, most or items))
    return _with_table(state, *TABLES[family]) if family in TABLES else state


def with_room_for(state: State, plan: Plan, events: int, columns: int) -> State:
    """The state with room for all that so many events could fill.

    `columns` is the most groups that one of them may make.
    """
    counters = state.counters
    state = with_room(state, "row", max(int(counters[ROWS]), int(counters[LIVE_ROWS]) + events))
    state = with_room(state, "slot", int(counters[SLOTS]) + events * columns)
    waiters = int(counters[WAITING]) + events
    if plan.policies["cohorts"].any() and 2 * waiters > state.waiting.size:
        old = state.waiting
        state = state._replace(waiting=no_waiters(waiters))
        reversals.rewait(old, plan, state)
    return state


def _with_table(state: State, table: str, records: str) -> State:
    """The state with a hash table that is large enough for the records there is room for."""
    old, of = getattr(state, table), getattr(state, records)
    new = empty_table(of.size)
    if new.size <= old.size:
        return state
    hashing.rehash(old, new)
    return state._replace(**{table: new})  # type: ignore[arg-type]
