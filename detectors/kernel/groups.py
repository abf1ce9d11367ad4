"""Groups of a rule with `per` or `same`: made when first seen, forgotten when no row is left."""

from __future__ import annotations

from detectors.flags import REVERSES
from detectors.kernel import compiled
from detectors.kernel.evidence import begin_afresh
from detectors.kernel.hashing import enter, find, mixed, remove
from detectors.kernel.sums import is_above, is_below, observed
from detectors.state import FREE_SLOT, GROUPS, NONE, SILENT_GROUPS, SLOTS

SILENT_GROUPS_MAX = 10_000


@compiled
def group_slot(plan, state, stream, rule, group_hash):
    """The slot of a group, made where it is new."""
    key = mixed(mixed(group_hash, stream), rule)
    place = find(state.group_table, state.slots, key)
    slot = state.group_table[place].number
    if slot != NONE:
        return slot
    slot = state.counters[FREE_SLOT]
    if slot == NONE:
        slot = state.counters[SLOTS]
        state.counters[SLOTS] += 1
    else:
        state.counters[FREE_SLOT] = state.slots[slot].holders
    state.slots[slot].above, state.slots[slot].above_rest = 0.0, 0.0
    state.slots[slot].below, state.slots[slot].below_rest = 0.0, 0.0
    state.slots[slot].events = 0
    state.slots[slot].crossed, state.slots[slot].rule = False, rule
    state.slots[slot].key, state.slots[slot].owner, state.slots[slot].holders = key, stream, 0
    if plan.rules[rule].by_evidence:
        begin_afresh(state.evidence, slot)
    enter(state.group_table, place, state.slots, slot)
    state.counters[GROUPS] += 1
    return slot


@compiled
def hold_groups(plan, state, stream, row, groups, i, found):
    """Point the row at its group in every grouped rule that may count or measure it."""
    policy = state.streams[stream].policy
    flags = state.rows[row].flags
    for rule in range(plan.policies[policy].first_rule, plan.policies[policy].end_rule):
        column = plan.rules[rule].group
        if column == NONE:
            continue
        slot = NONE
        if (
            is_above(plan, rule, flags)
            or is_below(plan, rule, flags)
            or (plan.rules[rule].reversed_late and flags & REVERSES)
        ):
            slot = group_slot(plan, state, stream, rule, groups[column, i])
            if state.slots[slot].holders == 0:
                if state.slots[slot].crossed:
                    state.counters[SILENT_GROUPS] -= 1
                elif plan.rules[rule].reversed_late:
                    note_group(found, state.slots[slot].key, rule, i)
            state.slots[slot].holders += 1
        state.slot_of[column, row] = slot


@compiled
def note_group(found, key, rule, i):
    """Tell of a new group whose edges another group's events may bring about."""
    n = found.used[2]
    found.used[2] += 1
    found.made[n].group, found.made[n].rule, found.made[n].event = key, rule, i


@compiled
def let_go(state, slot):
    """One row less points to the group; without rows it is forgotten, unless it is crossed."""
    state.slots[slot].holders -= 1
    if state.slots[slot].holders:
        return
    if not state.slots[slot].crossed:
        forget_group(state, slot)
        return
    # Its next event is no rising edge; but of such groups there may come ever more.
    state.counters[SILENT_GROUPS] += 1
    if state.counters[SILENT_GROUPS] > SILENT_GROUPS_MAX:
        forget_silent_groups(state)


@compiled
def forget_silent_groups(state):
    """Let go of every group that only its crossed rule has kept."""
    for slot in range(state.counters[SLOTS]):
        grouped = state.slots[slot].owner != NONE and state.slots[slot].rule != NONE
        if grouped and state.slots[slot].holders == 0:
            forget_group(state, slot)
    state.counters[SILENT_GROUPS] = 0


@compiled
def forget_group(state, slot):
    remove(state.group_table, state.slots, slot)
    state.slots[slot].owner = NONE
    state.slots[slot].holders = state.counters[FREE_SLOT]
    state.counters[FREE_SLOT] = slot
    state.counters[GROUPS] -= 1


@compiled
def newest_rates(plan, state, rates):
    """Write the rate of each stream's newest window at its own slot; of groups the largest."""
    for slot in range(rates.size):
        sums = state.slots[slot]
        if sums.owner == NONE:
            continue
        own = state.streams[sums.owner].first_slot
        first = plan.policies[state.streams[sums.owner].policy].first_rule
        rule = first + slot - own if sums.rule == NONE else sums.rule
        above, below = sums.above + sums.above_rest, sums.below + sums.below_rest
        rate, _ = observed(plan, rule, above, below, sums.events)
        rates[own + rule - first] = max(rates[own + rule - first], rate)
    return rates
