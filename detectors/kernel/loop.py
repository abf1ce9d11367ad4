"""One event after another: expire, store, add, mark, judge."""

from __future__ import annotations

from detectors.flags import AUTOMATION, REVERSES, SUCCESS
from detectors.kernel import compiled
from detectors.kernel.hashing import find, mixed
from detectors.kernel.reversals import undo
from detectors.kernel.rows import free_old_rows, store
from detectors.kernel.sums import (
    expire,
    is_above,
    is_below,
    join,
    measure,
    observed,
    slot_at,
)
from detectors.state import NONE, SLOTS

COUNTED, LATE, DUPLICATE, BLOCKED = 0, 1, 2, 3
"""The fates of an event. BLOCKED: in a simulation its workflow was paused, so it did not run."""

EVIDENCE_MAX = 20
WALK_MAX = 1_000_000
"""Rows that evidence is looked for in at the most; sums are never cut."""


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
        n = found.used[0]
        found.used[0] += 1
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
def take(plan, state, batch, start, end, stop_at_detection, fates, found):
    """Take events from `start` on, in log order; the index of the first that was not taken.

    Stops early when `found` is nearly full, or after an event with a detection if asked to.
    """
    for i in range(start, end):
        stream = batch.stream[i]
        if stream == NONE:
            continue
        policy = state.policy[stream]
        if found.used[0] + plan.rules[policy + 1] - plan.rules[policy] > found.event.size:
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
        before = found.used[0]
        if time > state.floor[stream]:
            judge_all(plan, state, stream, row, undone, i, found)
        if stop_at_detection and found.used[0] > before:
            return i + 1
    return end


@compiled
def forgive(plan, state, stream, until):
    """Empty the windows of a stream: only what is later than `until` counts from now on."""
    state.floor[stream] = max(state.floor[stream], until)
    expire(plan, state, stream)
    for slot in range(state.counters[SLOTS]):
        if state.owner[slot] == stream and state.crossed[slot]:
            state.crossed[slot] = False
