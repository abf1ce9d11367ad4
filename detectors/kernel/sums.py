"""Running sums of the newest window of each stream, and the windows that end elsewhere.

A window at time t is `(t - over, t]` of what has arrived by then. An event joins the running sums
once and leaves them once. A window that does not end at the newest event is measured from them by
walking the few events in which the two differ.
"""

from __future__ import annotations

from detectors.kernel import compiled
from detectors.state import NONE


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
def horizon(plan, state, stream, over_us):
    """The newest window holds what is later than this."""
    return max(state.newest[stream] - over_us, state.floor[stream])


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
