"""Running sums of the newest window of each stream, and the windows that end elsewhere.

A window at time t is `(t - over, t]` of what has arrived by then. An event joins the running sums
once and leaves them once. A window that does not end at the newest event is measured from them by
walking the few events in which the two differ.
"""

from __future__ import annotations

from detectors.kernel import compiled
from detectors.state import NONE

AMOUNT_MAX = 1e296
"""What weighs more counts as this much: no sum of it may become infinite."""


@compiled
def weight(plan, state, rule, row):
    kind = plan.rules[rule].weight
    if kind == 0:
        return float(state.rows[row].count)
    if kind == 1:
        return state.rows[row].value
    if kind == 2:
        return state.rows[row].recipients
    return converted(plan, state, rule, row)


@compiled
def converted(plan, state, rule, row):
    """The value of a row by the weight of its currency; 0 where it has none."""
    if state.rows[row].currency >= plan.weights.shape[1]:
        return 0.0
    return min(state.rows[row].value * plan.weights[rule, state.rows[row].currency], AMOUNT_MAX)


@compiled
def slot_at(plan, state, stream, rule, row):
    """The slot in which the row counts for the rule, or NONE."""
    column = plan.rules[rule].group
    if column == NONE:
        policy = plan.policies[state.streams[stream].policy]
        return state.streams[stream].first_slot + rule - policy.first_rule
    return state.slot_of[column, row]


@compiled
def is_above(plan, rule, flags):
    return (flags & plan.rules[rule].above_mask) == plan.rules[rule].above_want


@compiled
def is_below(plan, rule, flags):
    return (flags & plan.rules[rule].below_mask) == plan.rules[rule].below_want


@compiled
def horizon(plan, state, stream, over_us):
    """The newest window holds what is later than this."""
    return max(state.streams[stream].newest - over_us, state.streams[stream].floor)


@compiled
def held_from(plan, state, stream):
    """Up to here all is forgotten: no window reaches it, not even that of the latest event."""
    longest_us = plan.policies[state.streams[stream].policy].longest_us
    return state.streams[stream].newest - 2 * longest_us


@compiled
def plus(total, rest, amount):
    """A sum and what rounding took from it (Knuth's TwoSum): no value, however large, blurs it."""
    result = total + amount
    part = result - total
    return result, rest + ((total - (result - part)) + (amount - part))


@compiled
def add(plan, state, stream, rule, row, sign):
    """Let a row join (+1) or leave (-1) the running sums of a rule."""
    flags = state.rows[row].flags
    above, below = is_above(plan, rule, flags), is_below(plan, rule, flags)
    if not (above or below):
        return
    slot = slot_at(plan, state, stream, rule, row)
    amount = sign * weight(plan, state, rule, row)
    sums = state.slots[slot]
    if above:
        sums.above, sums.above_rest = plus(sums.above, sums.above_rest, amount)
    if below:
        sums.below, sums.below_rest = plus(sums.below, sums.below_rest, amount)
        sums.events += sign * state.rows[row].count
        if sums.events == 0:  # nothing in it: nothing may stay behind
            sums.below, sums.below_rest = 0.0, 0.0
            if not plan.rules[rule].divided:
                sums.above, sums.above_rest = 0.0, 0.0


@compiled
def add_all(plan, state, stream, window, row, sign):
    """Let a row join or leave the running sums of all rules of a window."""
    for place in range(plan.first_of[window], plan.first_of[window + 1]):
        add(plan, state, stream, plan.by_window[place], row, sign)


@compiled
def expire(plan, state, stream):
    """Let every window of the stream drop what its newest event has moved out of."""
    policy = state.streams[stream].policy
    first = plan.policies[policy].first_window
    for window in range(first, plan.policies[policy].end_window):
        row = state.tail[window - first, stream]
        limit = horizon(plan, state, stream, plan.window_us[window])
        while row != NONE and state.rows[row].time <= limit:
            add_all(plan, state, stream, window, row, -1)
            row = state.rows[row].later
        state.tail[window - first, stream] = row


@compiled
def join(plan, state, stream, row):
    """Add a new row to the running sums of every window that reaches it."""
    policy = state.streams[stream].policy
    first = plan.policies[policy].first_window
    for window in range(first, plan.policies[policy].end_window):
        if state.rows[row].time <= horizon(plan, state, stream, plan.window_us[window]):
            continue
        tail = state.tail[window - first, stream]
        if tail == NONE or state.rows[row].later == tail:
            state.tail[window - first, stream] = row
        add_all(plan, state, stream, window, row, 1)


@compiled
def tally(plan, state, stream, rule, slot, row, sign, sums):
    """The sums with one row added or taken away, where it counts in this slot."""
    above, above_rest, below, below_rest, events = sums
    flags = state.rows[row].flags
    up, down = is_above(plan, rule, flags), is_below(plan, rule, flags)
    if (up or down) and slot_at(plan, state, stream, rule, row) == slot:
        amount = sign * weight(plan, state, rule, row)
        if up:
            above, above_rest = plus(above, above_rest, amount)
        if down:
            below, below_rest = plus(below, below_rest, amount)
            events += sign * state.rows[row].count
    return above, above_rest, below, below_rest, events


@compiled
def measure(plan, state, stream, rule, slot, at):
    """Sums above and below the line, and events, of the window that ends at the row `at`."""
    now = state.slots[slot]
    sums = (now.above, now.above_rest, now.below, now.below_rest, now.events)
    if state.rows[at].time != state.streams[stream].newest:
        sums = walked(plan, state, stream, rule, slot, at, sums)
    above, above_rest, below, below_rest, events = sums
    return above + above_rest, below + below_rest, events


@compiled
def walked(plan, state, stream, rule, slot, at, sums):
    """The sums of the newest window, changed to those of the window that ends at the row `at`."""
    time = state.rows[at].time
    limit = horizon(plan, state, stream, plan.rules[rule].over_us)
    low = max(time - plan.rules[rule].over_us, state.streams[stream].floor)
    if time > limit:
        row = state.rows[at].later  # in the running sums, but later than this window
        while row != NONE:
            sums = tally(plan, state, stream, rule, slot, row, -1, sums)
            row = state.rows[row].later
        row = state.rows[state.tail[plan.rules[rule].window, stream]].earlier  # the other way round
    else:
        sums = (0.0, 0.0, 0.0, 0.0, 0)
        row = at
    while row != NONE and state.rows[row].time > low:
        sums = tally(plan, state, stream, rule, slot, row, 1, sums)
        row = state.rows[row].earlier
    return sums


@compiled
def observed(plan, rule, above, below, events):
    """The rate in the rule's unit, and whether there are events enough to tell."""
    if not plan.rules[rule].divided:
        return above / plan.rules[rule].scale, True
    if events < plan.rules[rule].least or below <= 0:
        return 0.0, False
    return above / below, True


@compiled
def is_beyond(plan, rule, rate, bound):
    return rate > bound if plan.rules[rule].strict else rate >= bound
