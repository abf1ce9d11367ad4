"""Actions that are undone later, and reversals that come before their action."""

from __future__ import annotations

import numpy as np

from detectors.flags import REVERSED, SUCCESS, TWIN
from detectors.kernel import compiled
from detectors.kernel.hashing import find, mixed
from detectors.kernel.sums import add, held_from, horizon
from detectors.state import LONG_AGO, NONE, WAITING


@compiled
def wait_for_action(state, stream, key, time):
    """Remember a reversal for actions of this key that are yet to arrive."""
    mask = np.uint64(state.waiting.size - 1)
    place = key & mask
    while state.waiting[place].owner != NONE and state.waiting[place].key != key:
        place = (place + np.uint64(1)) & mask
    if state.waiting[place].owner == NONE:
        state.counters[WAITING] += 1
        state.waiting[place].time = time
    state.waiting[place].key, state.waiting[place].owner = key, stream
    state.waiting[place].time = max(time, state.waiting[place].time)


@compiled
def is_awaited(state, key, since):
    """Whether a reversal newer than `since` waits: not whether the table still has an old one."""
    mask = np.uint64(state.waiting.size - 1)
    place = key & mask
    while state.waiting[place].owner != NONE:
        if state.waiting[place].key == key:
            return state.waiting[place].time > since
        place = (place + np.uint64(1)) & mask
    return False


@compiled
def mark_reversed(plan, state, stream, undone):
    """An action has been undone: it joins the cohort numerators of the windows that hold it."""
    if state.rows[undone].flags & REVERSED:
        return
    policy = state.streams[stream].policy
    for sign in (-1, 1):
        for rule in range(plan.policies[policy].first_rule, plan.policies[policy].end_rule):
            limit = horizon(plan, state, stream, plan.rules[rule].over_us)
            if plan.rules[rule].reversed_late and state.rows[undone].time > limit:
                add(plan, state, stream, rule, undone, sign)
        if sign == -1:
            state.rows[undone].flags |= np.uint32(REVERSED)


@compiled
def undo(plan, state, stream, batch, i):
    """Mark the action that a reversal undoes; its row where it is still held, or NONE."""
    key = mixed(batch[i].reverses, stream)
    undone = state.row_table[find(state.row_table, state.rows, key)].number
    if batch[i].flags & SUCCESS:
        wait_for_action(state, stream, key, batch[i].time)
        if undone != NONE:
            mark_reversed(plan, state, stream, undone)
            if state.rows[undone].flags & TWIN:
                mark_twins(plan, state, stream, undone)
    return undone


@compiled
def mark_twins(plan, state, stream, undone):
    """Mark the older actions of the same id, which the table of rows does not know any more."""
    row = state.streams[stream].oldest
    while row != NONE:
        if row != undone and state.rows[row].key == state.rows[undone].key:
            mark_reversed(plan, state, stream, row)
        row = state.rows[row].later


@compiled
def rewait(old, plan, state):
    """Put the waiting reversals into a fresh table, without those that no action can answer."""
    state.counters[WAITING] = 0
    for reversal in old:
        owner = reversal.owner
        if owner == NONE or state.streams[owner].newest == LONG_AGO:
            continue
        if reversal.time > held_from(plan, state, owner):
            wait_for_action(state, owner, reversal.key, reversal.time)
