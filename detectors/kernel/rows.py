"""Rows: one an event, linked in time order, freed when no window can reach them."""

from __future__ import annotations

import numpy as np

from detectors.flags import REVERSED
from detectors.kernel import compiled
from detectors.kernel.groups import hold_groups, let_go
from detectors.kernel.hashing import find, remove
from detectors.kernel.reversals import is_awaited
from detectors.state import FREE_ROW, LIVE_ROWS, NONE, ROWS, WAITING


@compiled
def store(plan, state, stream, batch, i):
    """Make the row of an event, in its place in time."""
    row, ident = new_row(state), batch.ident[i]
    state.time[row], state.ident[row] = batch.time[i], ident
    state.value[row], state.flags[row] = batch.value[i], batch.flags[i]
    state.currency[row] = batch.currency[i]
    if state.recipients.size:
        state.recipients[row] = batch.recipients[i]
    if state.counters[WAITING] and is_awaited(state, ident):
        state.flags[row] |= np.uint32(REVERSED)
    state.row_table[find(state.row_table, state.ident, ident)] = row
    link(state, stream, row)
    hold_groups(plan, state, stream, row, batch, i)
    return row


@compiled
def new_row(state):
    row = state.counters[FREE_ROW]
    if row == NONE:
        row = state.counters[ROWS]
        state.counters[ROWS] += 1
    else:
        state.counters[FREE_ROW] = state.later[row]
    state.counters[LIVE_ROWS] += 1
    return row


@compiled
def link(state, stream, row):
    """Put a row into the stream's list, after all that is not later than it."""
    before = state.head[stream]
    while before != NONE and state.time[before] > state.time[row]:
        before = state.earlier[before]
    after = state.oldest[stream] if before == NONE else state.later[before]
    state.earlier[row], state.later[row] = before, after
    if before == NONE:
        state.oldest[stream] = row
    else:
        state.later[before] = row
    if after == NONE:
        state.head[stream] = row
    else:
        state.earlier[after] = row


@compiled
def free_old_rows(plan, state, stream):
    """Forget what no window can reach, not even that of an event as late as the longest window."""
    policy = state.policy[stream]
    limit = state.newest[stream] - 2 * plan.longest_us[policy]
    row = state.oldest[stream]
    while row != NONE and state.time[row] <= limit:
        remove(state.row_table, state.ident, row)
        for rule in range(plan.rules[policy], plan.rules[policy + 1]):
            if plan.group[rule] != NONE and state.slot_of[plan.group[rule], row] != NONE:
                let_go(state, state.slot_of[plan.group[rule], row])
        after = state.later[row]
        state.later[row] = state.counters[FREE_ROW]
        state.counters[FREE_ROW] = row
        state.counters[LIVE_ROWS] -= 1
        row = after
    state.oldest[stream] = row
    if row == NONE:
        state.head[stream] = NONE
    else:
        state.earlier[row] = NONE
