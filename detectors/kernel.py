"""The inner loop: one event after another through the windows of its workflow.

A window at an event of time t is `(t - over, t]` of what has arrived by then. Running sums hold
the window of the newest event of each stream: an event joins them once and leaves them once. An
event that is not the newest is measured at its own time, by walking from the two ends of that
window. Compiled by numba: per-event semantics cannot depend on how a log is cut into batches.
"""

from __future__ import annotations

import numba
import numpy as np

from detectors.flags import AUTOMATION, REVERSED, REVERSES, SUCCESS
from detectors.state import (
    FREE_ROW,
    FREE_SLOT,
    GROUPS,
    LIVE_ROWS,
    NONE,
    ROWS,
    SLOTS,
    WAITING,
)

compiled = numba.njit(cache=True, nogil=True)

COUNTED, LATE, DUPLICATE, BLOCKED = 0, 1, 2, 3
"""The fates of an event. BLOCKED: in a simulation its workflow was paused, so it did not run."""

EVIDENCE_MAX = 20
WALK_MAX = 1_000_000
"""Rows that evidence is looked for in at the most; sums are never cut."""

_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@compiled
def mixed(value, salt):
    """A 64-bit hash of a hash and a small number (splitmix64's finalizer, Steele et al. 2014)."""
    x = value ^ (np.uint64(salt + 1) * _GOLDEN)
    x = (x ^ (x >> np.uint64(30))) * _MIX1
    x = (x ^ (x >> np.uint64(27))) * _MIX2
    return x ^ (x >> np.uint64(31))


@compiled
def find(table, keys, key):
    """The place in `table` of the row with this key, or of the gap where it belongs."""
    mask = np.uint64(table.size - 1)
    place = key & mask
    while table[place] != NONE and keys[table[place]] != key:
        place = (place + np.uint64(1)) & mask
    return place


@compiled
def remove(table, keys, row):
    """Take a row out and close the gap (Knuth, TAOCP 3, 6.4, algorithm R)."""
    mask = np.uint64(table.size - 1)
    gap = find(table, keys, keys[row])
    if table[gap] != row:
        return  # a later row has taken its key over
    place = gap
    while True:
        place = (place + np.uint64(1)) & mask
        if table[place] == NONE:
            break
        home = keys[table[place]] & mask
        if ((place - home) & mask) >= ((place - gap) & mask):
            table[gap] = table[place]
            gap = place
    table[gap] = NONE


@compiled
def weight(plan, state, rule, row):
    kind = plan.weight[rule]
    if kind == 0:
        return 1.0
    if kind == 1:
        return state.value[row]
    return state.recipients[row]


@compiled
def slot_at(plan, state, stream, rule, row):
    """The slot in which the row counts for the rule, or NONE."""
    column = plan.group[rule]
    if column == NONE:
        return state.first_slot[stream] + rule - plan.rules[state.policy[stream]]
    return state.slot_of[column, row]


@compiled
def is_above(plan, rule, flags):
    return (flags & plan.above_mask[rule]) == plan.above_want[rule]


@compiled
def is_below(plan, rule, flags):
    return (flags & plan.below_mask[rule]) == plan.below_want[rule]


@compiled
def add(plan, state, stream, rule, row, sign):
    """Let a row join (+1) or leave (-1) the running sums of a rule."""
    flags = state.flags[row]
    above, below = is_above(plan, rule, flags), is_below(plan, rule, flags)
    if not (above or below):
        return
    slot = slot_at(plan, state, stream, rule, row)
    amount = sign * weight(plan, state, rule, row)
    if above:
        state.above[slot] += amount
    if below:
        state.below[slot] += amount
        state.events[slot] += sign
        if state.events[slot] == 0:  # nothing in it: no rounding may stay behind
            state.below[slot] = 0.0
            if not plan.divided[rule]:
                state.above[slot] = 0.0


@compiled
def horizon(plan, state, stream, over_us):
    """The newest window holds what is later than this."""
    return max(state.newest[stream] - over_us, state.floor[stream])


@compiled
def expire(plan, state, stream):
    """Let every window of the stream drop what its newest event has moved out of."""
    policy = state.policy[stream]
    first = plan.windows[policy]
    for window in range(first, plan.windows[policy + 1]):
        row = state.tail[window - first, stream]
        limit = horizon(plan, state, stream, plan.window_us[window])
        while row != NONE and state.time[row] <= limit:
            for rule in range(plan.rules[policy], plan.rules[policy + 1]):
                if plan.window[rule] == window - first:
                    add(plan, state, stream, rule, row, -1)
            row = state.later[row]
        state.tail[window - first, stream] = row


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


@compiled
def let_go(state, slot):
    """One row less points to the group; without rows it is forgotten, unless it is crossed."""
    state.holders[slot] -= 1
    if state.holders[slot] == 0 and not state.crossed[slot]:
        forget_group(state, slot)


@compiled
def forget_group(state, slot):
    remove(state.group_table, state.key, slot)
    state.owner[slot] = NONE
    state.holders[slot] = state.counters[FREE_SLOT]
    state.counters[FREE_SLOT] = slot
    state.counters[GROUPS] -= 1


@compiled
def group_slot(state, stream, rule, group_hash):
    """The slot of a group, made where it is new."""
    key = mixed(mixed(group_hash, stream), rule)
    place = find(state.group_table, state.key, key)
    slot = state.group_table[place]
    if slot != NONE:
        return slot
    slot = state.counters[FREE_SLOT]
    if slot == NONE:
        slot = state.counters[SLOTS]
        state.counters[SLOTS] += 1
    else:
        state.counters[FREE_SLOT] = state.holders[slot]
    state.above[slot], state.below[slot], state.events[slot] = 0.0, 0.0, 0
    state.crossed[slot] = False
    state.key[slot], state.owner[slot], state.holders[slot] = key, stream, 0
    state.group_table[place] = slot
    state.counters[GROUPS] += 1
    return slot


@compiled
def hold_groups(plan, state, stream, row, batch, i):
    """Point the row at its group in every grouped rule that may count or measure it."""
    policy = state.policy[stream]
    flags = state.flags[row]
    for rule in range(plan.rules[policy], plan.rules[policy + 1]):
        column = plan.group[rule]
        if column == NONE:
            continue
        slot = NONE
        if (
            is_above(plan, rule, flags)
            or is_below(plan, rule, flags)
            or (plan.reversed_late[rule] and flags & REVERSES)
        ):
            slot = group_slot(state, stream, rule, batch.groups[column, i])
            state.holders[slot] += 1
        state.slot_of[column, row] = slot


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
def tally(plan, state, stream, rule, slot, row, sign, sums):
    """The sums with one row added or taken away, where it counts in this slot."""
    above, below, events = sums
    flags = state.flags[row]
    up, down = is_above(plan, rule, flags), is_below(plan, rule, flags)
    if (up or down) and slot_at(plan, state, stream, rule, row) == slot:
        amount = sign * weight(plan, state, rule, row)
        above += amount * up
        below += amount * down
        events += sign * down
    return above, below, events


@compiled
def measure(plan, state, stream, rule, slot, at):
    """Sums above and below the line, and events, of the window that ends at the row `at`."""
    time = state.time[at]
    sums = (state.above[slot], state.below[slot], state.events[slot])
    if time == state.newest[stream]:
        return sums
    limit = horizon(plan, state, stream, plan.over_us[rule])
    low = max(time - plan.over_us[rule], state.floor[stream])
    if time > limit:
        row = state.later[at]  # in the running sums, but later than this window
        while row != NONE:
            sums = tally(plan, state, stream, rule, slot, row, -1, sums)
            row = state.later[row]
        row = state.earlier[state.tail[plan.window[rule], stream]]  # the other way round
    else:
        sums = (0.0, 0.0, 0)
        row = at
    while row != NONE and state.time[row] > low:
        sums = tally(plan, state, stream, rule, slot, row, 1, sums)
        row = state.earlier[row]
    return sums


@compiled
def observed(plan, rule, above, below, events):
    """The rate in the rule's unit, and whether it is beyond the bound."""
    if plan.divided[rule]:
        if events < plan.least[rule] or below <= 0:
            return 0.0, False
        rate = above / below
    else:
        rate = above / plan.scale[rule]
    if plan.strict[rule]:
        return rate, rate > plan.bound[rule]
    return rate, rate >= plan.bound[rule]


@compiled
def evidence(plan, state, stream, rule, slot, at, found, n):
    """Ids of the newest events above the line, and the money that the window moved."""
    low = max(state.time[at] - plan.over_us[rule], state.floor[stream])
    grouped = plan.group[rule] != NONE
    ids, steps, row = 0, 0, at
    while row != NONE and state.time[row] > low and steps < WALK_MAX:
        mine = slot_at(plan, state, stream, rule, row) == slot
        flags = state.flags[row]
        if mine and ids < EVIDENCE_MAX and is_above(plan, rule, flags):
            found.idents[n, ids] = state.ident[row]
            ids += 1
        moved = (mine or not grouped) and flags & SUCCESS and flags & AUTOMATION
        if moved and state.currency[row]:
            if found.currency[n] == 0:
                found.currency[n] = state.currency[row]
            if found.currency[n] == state.currency[row]:
                found.money[n] += state.value[row]
        row = state.earlier[row]
        steps += 1
    found.ids[n] = ids


@compiled
def judge(plan, state, stream, rule, slot, row, i, found):
    """Measure one rule at one event; a rising edge is written to `found`."""
    above, below, events = measure(plan, state, stream, rule, slot, row)
    rate, crossed = observed(plan, rule, above, below, events)
    if crossed and not state.crossed[slot]:
        n = found.count[0]
        found.count[0] += 1
        found.event[n], found.rule[n], found.events[n] = i, rule, events
        found.rate[n], found.money[n], found.currency[n] = rate, 0.0, 0
        evidence(plan, state, stream, rule, slot, row, found, n)
    state.crossed[slot] = crossed


@compiled
def judge_all(plan, state, stream, row, undone, i, found):
    """Measure every rule that counts the event, or that counts the action which it undoes."""
    policy = state.policy[stream]
    flags = state.flags[row]
    for rule in range(plan.rules[policy], plan.rules[policy + 1]):
        at = NONE
        if is_above(plan, rule, flags) or is_below(plan, rule, flags):
            at = row
        elif plan.reversed_late[rule] and flags & REVERSES:
            mask = plan.where_mask[rule]
            if undone != NONE and is_below(plan, rule, state.flags[undone]):
                at = undone
            elif (flags & mask) == mask:
                at = row
        if at != NONE:
            slot = slot_at(plan, state, stream, rule, at)
            judge(plan, state, stream, rule, slot, row, i, found)


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
def join(plan, state, stream, row):
    """Add a new row to the running sums of every window that reaches it."""
    policy = state.policy[stream]
    first = plan.windows[policy]
    for window in range(first, plan.windows[policy + 1]):
        if state.time[row] <= horizon(plan, state, stream, plan.window_us[window]):
            continue
        tail = state.tail[window - first, stream]
        if tail == NONE or state.later[row] == tail:
            state.tail[window - first, stream] = row
        for rule in range(plan.rules[policy], plan.rules[policy + 1]):
            if plan.window[rule] == window - first:
                add(plan, state, stream, rule, row, 1)


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
def take(plan, state, batch, start, end, stop_at_detection, fates, found):
    """Take events from `start` on, in log order; the index of the first that was not taken.

    Stops early when `found` is nearly full, or after an event with a detection if asked to.
    """
    for i in range(start, end):
        stream = batch.stream[i]
        if stream == NONE:
            continue
        policy = state.policy[stream]
        if found.count[0] + plan.rules[policy + 1] - plan.rules[policy] > found.event.size:
            return i
        workflow = state.workflow[stream]
        time, longest = batch.time[i], plan.longest_us[policy]
        if time < state.workflow_newest[workflow] - longest:
            fates[i] = LATE
            continue
        ident = mixed(batch.ident[i], stream)
        batch.ident[i] = ident
        known = state.row_table[find(state.row_table, state.ident, ident)]
        if known != NONE and abs(state.time[known] - time) < longest:
            fates[i] = DUPLICATE
            continue
        state.workflow_newest[workflow] = max(state.workflow_newest[workflow], time)
        state.newest[stream] = max(state.newest[stream], time)
        expire(plan, state, stream)
        free_old_rows(plan, state, stream)
        row = store(plan, state, stream, batch, i)
        join(plan, state, stream, row)
        undone = NONE
        if batch.flags[i] & REVERSES and plan.cohorts[policy]:
            undone = undo(plan, state, stream, batch, i)
        before = found.count[0]
        if time > state.floor[stream]:
            judge_all(plan, state, stream, row, undone, i, found)
        if stop_at_detection and found.count[0] > before:
            return i + 1
    return end


@compiled
def rehash(old, table, keys):
    """Put all rows of an old table into a larger one."""
    for row in old:
        if row != NONE:
            table[find(table, keys, keys[row])] = row


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


@compiled
def forgive(plan, state, stream, until):
    """Empty the windows of a stream: only what is later than `until` counts from now on."""
    state.floor[stream] = max(state.floor[stream], until)
    expire(plan, state, stream)
    for slot in range(state.counters[SLOTS]):
        if state.owner[slot] == stream and state.crossed[slot]:
            state.crossed[slot] = False
