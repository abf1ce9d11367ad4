"""Evidence rules: the sums of `detectors.evidence`, one set a slot, and what a trip tells people.

Events count in log order. Actions that may be reversed later count in the order of their times:
one that leaves the window is settled as it stands, those within are looked ahead through, as good
until they are reversed. What is still to come can only raise such a sum, so none is raised early.
"""

from __future__ import annotations

from math import inf, log

from detectors.flags import REVERSED, REVERSES
from detectors.kernel import compiled
from detectors.kernel.sums import horizon, is_above, is_below, slot_at
from detectors.state import LONG_AGO, NONE


@compiled
def begin_afresh(evidence, slot):
    """Without evidence, and without a trip."""
    evidence[0, slot].odds[:] = 0.0
    evidence[0, slot].newest, evidence[0, slot].tripped = LONG_AGO, LONG_AGO


@compiled
def step(plan, rule, odds, idle_us, bad):
    """Count one event that came so long after the one before it; the mean of the odds."""
    if idle_us > plan.rules[rule].over_us:
        odds[:] = 0.0
    total = 0.0
    for k in range(odds.size):
        factor = plan.rules[rule].if_bad[k] if bad else plan.rules[rule].if_good[k]
        odds[k] = (odds[k] + 1.0) * factor
        total += odds[k]
    return total / odds.size


@compiled
def spent_until(plan, state, stream, rule, slot):
    """Up to here nothing counts any more: too old, forgiven, or proof of an earlier trip."""
    limit = horizon(plan, state, stream, plan.rules[rule].over_us)
    return max(limit, state.evidence[0, slot].tripped)


@compiled
def weigh(plan, state, stream, rule, slot, row):
    """Count the event of a row; the row where the promise is reached, or NONE."""
    time, flags = state.rows[row].time, state.rows[row].flags
    if time <= spent_until(plan, state, stream, rule, slot):
        return NONE
    mine = state.evidence[0, slot]
    bad = is_above(plan, rule, flags)
    mean = step(plan, rule, mine.odds, time - mine.newest, bad)
    mine.newest = max(mine.newest, time)
    if bad and mean >= plan.rules[rule].promise:
        return state.streams[stream].head
    return NONE


@compiled
def settle(plan, state, stream):
    """Count the actions that leave their window; what becomes of them later is not asked."""
    policy = state.streams[stream].policy
    for rule in range(plan.policies[policy].first_rule, plan.policies[policy].end_rule):
        if not (plan.rules[rule].by_evidence and plan.rules[rule].reversed_late):
            continue
        limit = horizon(plan, state, stream, plan.rules[rule].over_us)
        row = state.tail[plan.rules[rule].window, stream]
        while row != NONE and state.rows[row].time <= limit:
            if is_below(plan, rule, state.rows[row].flags):
                slot = slot_at(plan, state, stream, rule, row)
                mine = state.evidence[0, slot]
                time = state.rows[row].time
                if time > mine.tripped:
                    bad = is_above(plan, rule, state.rows[row].flags)
                    step(plan, rule, mine.odds, time - mine.newest, bad)
                    mine.newest = time
            row = state.rows[row].later


@compiled
def look_ahead(plan, state, stream, rule, slot):
    """The action of the window that brings most evidence, or NONE below the promise.

    The peak counts, not the end: good actions since then do not hide it.
    """
    odds, newest = state.ahead, state.evidence[0, slot].newest
    for k in range(odds.size):
        odds[k] = state.evidence[0, slot].odds[k]
    spent = state.evidence[0, slot].tripped
    most, peak = 0.0, NONE
    row = state.tail[plan.rules[rule].window, stream]
    while row != NONE:
        time, flags = state.rows[row].time, state.rows[row].flags
        counts = time > spent and is_below(plan, rule, flags)
        if counts and slot_at(plan, state, stream, rule, row) == slot:
            bad = is_above(plan, rule, flags)
            mean = step(plan, rule, odds, time - newest, bad)
            newest = time
            if bad and mean >= plan.rules[rule].promise and mean > most:
                most, peak = mean, row
        row = state.rows[row].later
    return peak


@compiled
def score(bad, events, null):
    """How much better the share of these events explains them than the null does (log odds)."""
    total = 0.0
    if bad > 0:
        total += bad * log(bad / events / null)
    if bad < events:
        total += (events - bad) * log((events - bad) / events / (1.0 - null))
    return total if bad > events * null else -total


@compiled
def stretch(plan, state, stream, rule, slot, row):
    """The events up to `row` that speak loudest: rate, events below the line, the last, its width.

    They begin where the rate most likely rose, within the window (maximum likelihood).
    """
    low = spent_until(plan, state, stream, rule, slot)
    best, rate, events, width = -inf, 0.0, 0, 1
    above, below, counted, last = 0, 0, 0, row
    while row != NONE and state.rows[row].time > low:
        flags = state.rows[row].flags
        up, down = is_above(plan, rule, flags), is_below(plan, rule, flags)
        if (up or down) and slot_at(plan, state, stream, rule, row) == slot:
            if counted == 0:
                last = row
            many = state.rows[row].count
            above, below, counted = above + up * many, below + down * many, counted + many
        earlier = state.rows[row].earlier
        if counted and (earlier == NONE or state.rows[earlier].time < state.rows[row].time):
            loudness = score(above, counted, plan.rules[rule].null)
            if loudness > best:
                best, rate, events = loudness, above / max(below, 1), below
                width = state.rows[last].time - state.rows[row].time + 1
        row = earlier
    return rate, events, last, width


@compiled
def read_evidence(plan, state, stream, rule, slot, row):
    """Judge an event: whether the rule is crossed, by what rate of how many events, up to which
    row, and over how many microseconds.

    At a trip the evidence is spent and gathered afresh. A rule stays crossed until `over` has
    passed since its last trip: so each trip that is told costs the promise anew.
    """
    if not plan.rules[rule].reversed_late:
        end = weigh(plan, state, stream, rule, slot, row)
    elif state.rows[row].flags & (REVERSES | REVERSED):
        end = look_ahead(plan, state, stream, rule, slot)
    else:
        end = NONE
    mine, now = state.evidence[0, slot], state.streams[stream].newest
    if end == NONE:
        lasts = state.slots[slot].crossed and now - mine.tripped <= plan.rules[rule].over_us
        return lasts, 0.0, 0, row, 1
    rate, events, end, width = stretch(plan, state, stream, rule, slot, end)
    begin_afresh(state.evidence, slot)
    mine.tripped = now
    return True, rate, events, end, width
