"""Very busy workflows: old events that are alike become one row, so that rows stay bounded.

Of a stream with more rows than `Bounds.events_exact` the newer half stays as it is. Older events
that are alike (flags, currency, groups) and not further apart than 1/512 of their age are folded
into the newest of them, again and again as they age: a longer window may then be wider by three
times that, and never shorter (cf. Datar et al., "Maintaining stream statistics over sliding
windows", 2002). What needs every event by itself (cohort reversals, duplicates, steps) looks at
those not folded only. Where too little is alike for that, the oldest are forgotten: all windows of
the stream are shorter.
"""

from __future__ import annotations

import numpy as np

from detectors.flags import FOLDED
from detectors.kernel import compiled
from detectors.kernel.evidence import settle
from detectors.kernel.groups import let_go
from detectors.kernel.rows import free, free_rows, unlink
from detectors.kernel.sums import add, expire, horizon
from detectors.state import EXACT_MAX, LONG_AGO, NONE

FINENESS = 512
COUNT_MAX = 65_535


@compiled
def relieve(plan, state, stream):
    """Make room in a stream that has too many rows; whether it was exact until now."""
    was_exact = state.streams[stream].coarse == LONG_AGO
    fold(plan, state, stream)
    exact_max = state.counters[EXACT_MAX]
    if state.streams[stream].rows > exact_max * 7 // 8:
        shorten(plan, state, stream, exact_max // 2)
    return was_exact


@compiled
def fold(plan, state, stream):
    """Fold what is older than the newer half of the rows, from the newest on."""
    row = state.streams[stream].head
    for _ in range(state.streams[stream].rows // 2):
        row = state.rows[row].earlier
    state.streams[stream].coarse = max(state.streams[stream].coarse, state.rows[row].time)
    folds, low = 0, state.rows[row].time
    while row != NONE:
        earlier, time = state.rows[row].earlier, state.rows[row].time
        leave_exact(plan, state, stream, row)
        if time <= low:
            folds, low = 0, reach(plan, state, stream, time)
        for k in range(folds):
            if are_alike(state, state.folds[k], row):
                merge(plan, state, stream, state.folds[k], row)
                break
        else:
            if folds < state.folds.size:
                state.folds[folds] = row
                folds += 1
        row = earlier


@compiled
def reach(plan, state, stream, time):
    """Events later than this may be folded into one of this time: no window parts the two."""
    low = time - (state.streams[stream].newest - time) // FINENESS
    policy = state.streams[stream].policy
    for window in range(plan.policies[policy].first_window, plan.policies[policy].end_window):
        limit = horizon(plan, state, stream, plan.window_us[window])
        if limit < time:
            low = max(low, limit)
    return low


@compiled
def leave_exact(plan, state, stream, row):
    """Take a row out of the rules that need every event by itself."""
    if state.rows[row].flags & FOLDED:
        return
    policy = state.streams[stream].policy
    for rule in range(plan.policies[policy].first_rule, plan.policies[policy].end_rule):
        if not plan.rules[rule].below_mask & FOLDED:
            continue
        if state.rows[row].time > horizon(plan, state, stream, plan.rules[rule].over_us):
            add(plan, state, stream, rule, row, -1)
        column = plan.rules[rule].group
        if column != NONE and state.slot_of[column, row] != NONE:
            let_go(state, state.slot_of[column, row])
            state.slot_of[column, row] = NONE
    state.rows[row].flags |= np.uint32(FOLDED)


@compiled
def are_alike(state, one, other):
    a, b = state.rows[one], state.rows[other]
    if a.flags != b.flags or a.currency != b.currency or a.count + b.count > COUNT_MAX:
        return False
    for column in range(state.slot_of.shape[0]):
        if state.slot_of[column, one] != state.slot_of[column, other]:
            return False
    return True


@compiled
def merge(plan, state, stream, into, row):
    """Count the events of a row in a later one."""
    state.rows[into].count += state.rows[row].count
    state.rows[into].value += state.rows[row].value
    state.rows[into].recipients += state.rows[row].recipients
    policy = state.streams[stream].policy
    for window in range(plan.policies[policy].end_window - plan.policies[policy].first_window):
        if state.tail[window, stream] == row:
            state.tail[window, stream] = state.rows[row].later
    unlink(state, stream, row)
    free(plan, state, stream, row)


@compiled
def shorten(plan, state, stream, rows):
    """Keep only so many rows, or fewer where times are equal."""
    row = state.streams[stream].head
    for _ in range(rows):
        row = state.rows[row].earlier
    limit = state.rows[row].time
    state.streams[stream].floor = max(state.streams[stream].floor, limit)
    settle(plan, state, stream)
    expire(plan, state, stream)
    free_rows(plan, state, stream, limit)
