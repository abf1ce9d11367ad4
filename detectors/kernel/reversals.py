"""Actions that are undone later, and reversals that come before their action."""

from __future__ import annotations

import numpy as np

from detectors.flags import REVERSED, SUCCESS
from detectors.kernel import compiled
from detectors.kernel.hashing import find, mixed
from detectors.kernel.sums import add, horizon
from detectors.state import NONE, WAITING


@compiled
def wait_for_action(state, stream, key, time):
    """Remember a reversal whose action has not arrived."""
    mask = np.uint64(state.waiting_key.size - 1)
    place = key & mask
    while state.waiting_owner[place] != NONE and state.waiting_key[place] != key:
        place = (place + np.uint64(1)) & mask
    if state.waiting_owner[place] == NONE:
        state.counters[WAITING] += 1
    state.waiting_key[place], state.waiting_owner[place] = key, stream
    state.waiting_time[place] = time


@compiled
def is_awaited(state, key):
    mask = np.uint64(state.waiting_key.size - 1)
    place = key & mask
    while state.waiting_owner[place] != NONE:
        if state.waiting_key[place] == key:
            return True
        place = (place + np.uint64(1)) & mask
    return False


@compiled
def mark_reversed(plan, state, stream, undone):
    """An action has been undone: it joins the cohort numerators of the windows that hold it."""
    if state.flags[undone] & REVERSED:
        return
    policy = state.policy[stream]
    for sign in (-1, 1):
        for rule in range(plan.rules[policy], plan.rules[policy + 1]):
            inside = state.time[undone] > horizon(plan, state, stream, plan.over_us[rule])
            if plan.reversed_late[rule] and inside:
                add(plan, state, stream, rule, undone, sign)
        if sign == -1:
            state.flags[undone] |= np.uint32(REVERSED)


@compiled
def undo(plan, state, stream, batch, i):
    """Mark the action that a reversal undoes; its row where it is still held, or NONE."""
    key = mixed(batch.reverses[i], stream)
    undone = state.row_table[find(state.row_table, state.ident, key)]
    if batch.flags[i] & SUCCESS:
        if undone == NONE:
            wait_for_action(state, stream, key, batch.time[i])
        else:
            mark_reversed(plan, state, stream, undone)
    return undone


@compiled
def rewait(old_key, old_time, old_owner, plan, state):
    """Put the waiting reversals into fresh arrays, without those that no action can answer."""
    state.counters[WAITING] = 0
    for place in range(old_key.size):
        stream = old_owner[place]
        if stream == NONE:
            continue
        reach = 2 * plan.longest_us[state.policy[stream]]
        if old_time[place] > state.newest[stream] - reach:
            wait_for_action(state, stream, old_key[place], old_time[place])
