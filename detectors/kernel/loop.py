"""One event after another: expire, store, add, mark, judge."""

from __future__ import annotations

from detectors.flags import AUTOMATION, REVERSES, SUCCESS
from detectors.kernel import compiled
from detectors.kernel.ahead import AHEAD, read_ahead
from detectors.kernel.evidence import begin_afresh, read_evidence, settle
from detectors.kernel.folding import relieve
from detectors.kernel.groups import forget_group
from detectors.kernel.hashing import find, mixed
from detectors.kernel.reversals import undo
from detectors.kernel.rows import free_old_rows, is_near, store
from detectors.kernel.sums import (
    converted,
    expire,
    is_above,
    is_below,
    is_beyond,
    join,
    measure,
    observed,
    slot_at,
)
from detectors.kernel.usual import bound_for, find_history, tell_usual, turn_hours
from detectors.state import (
    CLOCK,
    COARSENED,
    EXACT_MAX,
    FULL,
    HISTORY_WANTED,
    LONG_AGO,
    NONE,
    SILENT_GROUPS,
    SLOTS,
    SWEEP_AT,
    WORKFLOWS,
)

COUNTED, LATE, DUPLICATE, BLOCKED = 0, 1, 2, 3
"""The fates of an event. BLOCKED: in a simulation its workflow was paused, so it did not run."""

EVIDENCE_MAX = 20
WALK_MAX = 1_000_000
"""Rows that evidence is looked for in at the most; sums are never cut."""


@compiled
def evidence(plan, state, stream, rule, slot, at, found, n):
    """Ids of the newest events above the line, and the money moved, in the time that is told."""
    low = max(state.rows[at].time - found.edges[n].width_us, state.streams[stream].floor)
    grouped, to = plan.rules[rule].group != NONE, plan.rules[rule].to
    ids, steps, row, money = 0, 0, at, 0.0
    while row != NONE and state.rows[row].time > low and steps < WALK_MAX:
        mine = slot_at(plan, state, stream, rule, row) == slot
        flags = state.rows[row].flags
        if mine and ids < EVIDENCE_MAX and is_above(plan, rule, flags):
            found.keys[n, ids] = state.rows[row].key
            ids += 1
        moved = (mine or not grouped) and flags & SUCCESS and flags & AUTOMATION
        if moved and to:
            money += converted(plan, state, rule, row)
        elif moved and state.rows[row].currency:
            if found.edges[n].currency == 0:
                found.edges[n].currency = state.rows[row].currency
            if found.edges[n].currency == state.rows[row].currency:
                money += state.rows[row].value
        row = state.rows[row].earlier
        steps += 1
    if to:
        found.edges[n].currency, money = to, money / plan.weights[rule, to]
    found.edges[n].ids, found.edges[n].money = ids, money


@compiled
def judge(plan, state, stream, rule, slot, row, i, found):
    """Measure one rule at one event; a rising edge is written to `found`."""
    if plan.rules[rule].by_evidence:
        bound = plan.rules[rule].bound
        crossed, rate, events, at, width_us = read_evidence(plan, state, stream, rule, slot, row)
    else:
        above, below, events = measure(plan, state, stream, rule, slot, row)
        rate, enough = observed(plan, rule, above, below, events)
        bound = bound_for(plan, state, stream, rule, state.rows[row].time, rate)
        crossed = enough and is_beyond(plan, rule, rate, bound)
        at, width_us = row, plan.rules[rule].over_us
    if crossed and not state.slots[slot].crossed:
        n = found.used[0]
        found.used[0] += 1
        found.edges[n].event, found.edges[n].rule, found.edges[n].events = i, rule, events
        found.edges[n].rate, found.edges[n].currency = rate, 0
        found.edges[n].width_us, found.edges[n].bound = width_us, bound
        found.edges[n].group = state.slots[slot].key
        if plan.rules[rule].usual != NONE:
            tell_usual(plan, state, stream, rule, state.rows[row].time, found.edges[n])
        evidence(plan, state, stream, rule, slot, at, found, n)
    state.slots[slot].crossed = crossed


@compiled
def read_out(plan, state, stream, rule, slot, row, i, found):
    """Write down the rate of the window that a rule is judged by, or that its evidence fills."""
    above, below, events = measure(plan, state, stream, rule, slot, row)
    n = found.used[1]
    found.used[1] += 1
    found.readings[n].event, found.readings[n].rule, found.readings[n].events = i, rule, events
    rate, _ = observed(plan, rule, above, below, events)
    bound = bound_for(plan, state, stream, rule, state.rows[row].time, rate)
    found.readings[n].rate, found.readings[n].bound = rate, bound


@compiled
def judge_all(plan, state, stream, row, undone, i, found):
    """Measure every rule that counts the event, or that counts the action which it undoes."""
    policy = state.streams[stream].policy
    flags = state.rows[row].flags
    for rule in range(plan.policies[policy].first_rule, plan.policies[policy].end_rule):
        at = NONE
        if is_above(plan, rule, flags) or is_below(plan, rule, flags):
            at = row
        elif plan.rules[rule].reversed_late and flags & REVERSES:
            mask = plan.rules[rule].where_mask
            if undone != NONE and is_below(plan, rule, state.rows[undone].flags):
                at = undone
            elif (flags & mask) == mask:
                at = row
        if at != NONE:
            slot = slot_at(plan, state, stream, rule, at)
            if found.readings.size:
                read_out(plan, state, stream, rule, slot, row, i, found)
            judge(plan, state, stream, rule, slot, row, i, found)


@compiled
def take(plan, state, batch, groups, start, end, stop_at_detection, fates, found):
    """Take events from `start` on, in log order; the index of the first that was not taken.

    Stops early when `found` is nearly full, before a workflow for which others have to be
    forgotten or whose history finds no room, after an event that made its stream coarse, or after
    one with a detection if asked to.
    """
    for i in range(start, end):
        if (i - start) % AHEAD == 0:
            found.used[3] = read_ahead(plan, state, batch, i, end)
        stream = batch[i].stream
        if stream == NONE:
            continue
        policy = state.streams[stream].policy
        used = max(found.used[0], found.used[1], found.used[2])
        if used + plan.policies[policy].rules > found.edges.size:
            return i
        homeless = plan.policies[policy].usuals and state.streams[stream].history == NONE
        if homeless and not find_history(state, stream):
            state.counters[HISTORY_WANTED] = 1
            return i
        workflow = state.streams[stream].workflow
        begins = state.workflow_newest[workflow] == LONG_AGO
        if begins and state.counters[WORKFLOWS] >= state.counters[SWEEP_AT]:
            state.counters[FULL] = 1
            return i
        time, longest = batch[i].time, plan.policies[policy].longest_us
        if time < state.workflow_newest[workflow] - longest:
            fates[i] = LATE
            continue
        ident = mixed(batch[i].key, stream)
        batch[i].key = ident
        known = state.row_table[find(state.row_table, state.rows, ident)].number
        if known != NONE and is_near(state, stream, known, time, longest):
            fates[i] = DUPLICATE
            continue
        state.counters[WORKFLOWS] += begins
        state.counters[CLOCK] = max(state.counters[CLOCK], time)
        if plan.policies[policy].usuals:
            turn_hours(plan, state, stream, time)
        state.workflow_newest[workflow] = max(state.workflow_newest[workflow], time)
        state.streams[stream].newest = max(state.streams[stream].newest, time)
        settle(plan, state, stream)
        expire(plan, state, stream)
        free_old_rows(plan, state, stream)
        row = store(plan, state, stream, batch, groups, i, found)
        join(plan, state, stream, row)
        undone = NONE
        if batch[i].flags & REVERSES and plan.policies[policy].cohorts:
            undone = undo(plan, state, stream, batch, i)
        before = found.used[0]
        if time > state.streams[stream].floor:
            judge_all(plan, state, stream, row, undone, i, found)
        crowded = state.streams[stream].rows > state.counters[EXACT_MAX]
        if crowded and relieve(plan, state, stream):
            state.counters[COARSENED] = stream
            return i + 1
        if stop_at_detection and found.used[0] > before:
            return i + 1
    return end


@compiled
def forgive(plan, state, stream, until):
    """Empty the windows of a stream: only what is later than `until` counts from now on."""
    state.streams[stream].floor = max(state.streams[stream].floor, until)
    settle(plan, state, stream)
    expire(plan, state, stream)
    for slot in range(state.counters[SLOTS]):
        if state.slots[slot].owner == stream:
            state.slots[slot].crossed = False
            if state.evidence.shape[0]:
                begin_afresh(state.evidence, slot)
            if state.slots[slot].rule != NONE and state.slots[slot].holders == 0:
                forget_group(state, slot)
                state.counters[SILENT_GROUPS] -= 1
