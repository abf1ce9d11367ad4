"""Rows: one an event, linked in time order, freed when no window can reach them."""

from __future__ import annotations

import numpy as np

from detectors.flags import REVERSED, TWIN
from detectors.kernel import compiled
from detectors.kernel.groups import hold_groups, let_go
from detectors.kernel.hashing import enter, find, remove
from detectors.kernel.reversals import is_awaited
from detectors.kernel.sums import held_from
from detectors.state import FREE_ROW, LIVE_ROWS, NONE, ROWS, WAITING


@compiled
def store(plan, state, stream, batch, groups, i, found):
    """Make the row of an event, in its place in time."""
    row, ident = new_row(state), batch[i].key
    state.rows[row].time, state.rows[row].key = batch[i].time, ident
    state.rows[row].value, state.rows[row].flags = batch[i].value, batch[i].flags
    state.rows[row].currency = batch[i].currency
    state.rows[row].recipients = batch[i].recipients
    state.rows[row].count = 1
    state.streams[stream].rows += 1
    if state.counters[WAITING] and is_awaited(state, ident, held_from(plan, state, stream)):
        state.rows[row].flags |= np.uint32(REVERSED)
    place = find(state.row_table, state.rows, ident)
    twin = state.row_table[place].number
    if twin != NONE:
        state.rows[twin].flags |= np.uint32(TWIN)
        state.rows[row].flags |= np.uint32(TWIN)
    enter(state.row_table, place, state.rows, row)
    link(state, stream, row)
    hold_groups(plan, state, stream, row, groups, i, found)
    return row


@compiled
def new_row(state):
    row = state.counters[FREE_ROW]
    if row == NONE:
        row = state.counters[ROWS]
        state.counters[ROWS] += 1
    else:
        state.counters[FREE_ROW] = state.rows[row].later
    state.counters[LIVE_ROWS] += 1
    return row


@compiled
def link(state, stream, row):
    """Put a row into the stream's list, after all that is not later than it."""
    before = state.streams[stream].head
    while before != NONE and state.rows[before].time > state.rows[row].time:
        before = state.rows[before].earlier
    after = state.streams[stream].oldest if before == NONE else state.rows[before].later
    state.rows[row].earlier, state.rows[row].later = before, after
    if before == NONE:
        state.streams[stream].oldest = row
    else:
        state.rows[before].later = row
    if after == NONE:
        state.streams[stream].head = row
    else:
        state.rows[after].earlier = row


@compiled
def free_old_rows(plan, state, stream):
    """Forget the rows that no window can reach any more."""
    free_rows(plan, state, stream, held_from(plan, state, stream))


@compiled
def free_rows(plan, state, stream, limit):
    """Forget the rows up to this time."""
    row = state.streams[stream].oldest
    while row != NONE and state.rows[row].time <= limit:
        after = state.rows[row].later
        free(plan, state, stream, row)
        row = after
    state.streams[stream].oldest = row
    if row == NONE:
        state.streams[stream].head = NONE
    else:
        state.rows[row].earlier = NONE


@compiled
def free(plan, state, stream, row):
    """Forget a row that is in no list any more."""
    policy = state.streams[stream].policy
    remove(state.row_table, state.rows, row)
    if state.rows[row].flags & TWIN:
        know_again(state, stream, row)
    for rule in range(plan.policies[policy].first_rule, plan.policies[policy].end_rule):
        column = plan.rules[rule].group
        if column != NONE and state.slot_of[column, row] != NONE:
            let_go(state, state.slot_of[column, row])
    state.rows[row].later = state.counters[FREE_ROW]
    state.counters[FREE_ROW] = row
    state.counters[LIVE_ROWS] -= 1
    state.streams[stream].rows -= 1


@compiled
def know_again(state, stream, gone):
    """Enter a twin of a row that is freed, where there is one that is not yet freed itself."""
    key, row = state.rows[gone].key, state.streams[stream].head
    while row != NONE and row != gone:  # what is earlier in the list is freed already
        if state.rows[row].key == key:
            place = find(state.row_table, state.rows, key)
            if state.row_table[place].number == NONE:
                enter(state.row_table, place, state.rows, row)
            return
        row = state.rows[row].earlier


@compiled
def is_near(state, stream, known, time, reach):
    """Whether this row, or another with its event id, is less than `reach` away from a time."""
    row = state.streams[stream].head if state.rows[known].flags & TWIN else known
    while row != NONE:
        same = state.rows[row].key == state.rows[known].key
        if same and abs(state.rows[row].time - time) < reach:
            return True
        row = state.rows[row].earlier if state.rows[known].flags & TWIN else NONE
    return False


@compiled
def unlink(state, stream, row):
    """Take a row out of the stream's list."""
    earlier, later = state.rows[row].earlier, state.rows[row].later
    if earlier == NONE:
        state.streams[stream].oldest = later
    else:
        state.rows[earlier].later = later
    if later == NONE:
        state.streams[stream].head = earlier
    else:
        state.rows[later].earlier = earlier
