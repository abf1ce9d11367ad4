"""Bounds against what is usual: `detectors.usual`, hour by hour as the events come."""

from __future__ import annotations

import numpy as np

from detectors.kernel import compiled
from detectors.kernel.hashing import enter, find
from detectors.state import DAYS, HISTORIES, LONG_AGO, NONE, WEEK_H, WEEKS

WEEKS_LEAST = 3
"""Levels of an hour of the week that are enough to go by."""
DAYS_LEAST = 7
"""Days with events that make busy days."""
DOUBT_WEEKS = 13

HOUR_US = 3_600_000_000
BY_HOUR, BY_DAYS, UNKNOWN = 0, 1, 2
"""What usual was taken from."""


@compiled
def find_history(state, stream):
    """Give a stream the history of its name, made where it is new; False where no room is left."""
    key = state.streams[stream].history_key
    place = find(state.history_table, state.histories, key)
    history = state.history_table[place].number
    if history == NONE:
        history = state.counters[HISTORIES]
        if history == state.histories.size:
            return False
        state.counters[HISTORIES] += 1
        state.histories[history].key, state.histories[history].hour = key, LONG_AGO
        enter(state.history_table, place, state.histories, history)
    state.streams[stream].history = history
    return True


@compiled
def turn_hours(plan, state, stream, time):
    """Close the hours that are over when an event of this time comes, and open its own."""
    history, policy = state.streams[stream].history, state.streams[stream].policy
    hour, before = time // HOUR_US, state.histories[history].hour
    if hour <= before:
        return
    for rule in range(plan.policies[policy].first_rule, plan.policies[policy].end_rule):
        if plan.rules[rule].usual == NONE:
            continue
        mine, learns = state.baselines[plan.rules[rule].usual, history], True
        if state.streams[stream].rests:
            learns = False
        if hour - before <= WEEK_H:
            pass_hours(plan, state, stream, rule, mine, before, hour, learns)
            continue
        if hour - before > DOUBT_WEEKS * WEEK_H:
            forget(mine)
        elif learns:
            close_hour(plan, rule, mine, before)
            close_day(mine)
        mine.learns_from = first_whole_hour(plan, rule, time)
        mine.doubted_until = max(mine.doubted_until, mine.learns_from + WEEKS * WEEK_H)
        open_hour(plan, rule, mine, hour, 0.0)
    state.histories[history].hour = hour


@compiled
def pass_hours(plan, state, stream, rule, mine, before, hour, learns):
    """From one open hour to another; in between nothing was done, but the window may hold some."""
    policy, newest = state.streams[stream].policy, state.streams[stream].newest
    place = state.streams[stream].first_slot + rule - plan.policies[policy].first_rule
    held = (state.slots[place].above + state.slots[place].above_rest) / plan.rules[rule].scale
    for passed in range(before, hour):
        if learns:
            close_hour(plan, rule, mine, passed)
        if (passed + 1) % 24 == 0:
            close_day(mine)
        is_empty = newest + plan.rules[rule].over_us <= (passed + 1) * HOUR_US
        open_hour(plan, rule, mine, passed + 1, 0.0 if is_empty else held)


@compiled
def forget(mine):
    """Begin a history."""
    mine.weeks[:] = -1.0
    mine.days_seen, mine.busiest, mine.doubted_until = 0, -1.0, LONG_AGO


@compiled
def first_whole_hour(plan, rule, since):
    """The first clock hour all of which sees a full window, where windows fill from `since` on."""
    return -(-(since + plan.rules[rule].over_us) // HOUR_US)


@compiled
def learn_afresh(plan, state, policy, key, until):
    """A workflow was let go: what was learned stands, but the next lesson needs full windows."""
    history = state.history_table[find(state.history_table, state.histories, key)].number
    if history == NONE:
        return
    for rule in range(plan.policies[policy].first_rule, plan.policies[policy].end_rule):
        if plan.rules[rule].usual != NONE:
            mine = state.baselines[plan.rules[rule].usual, history]
            mine.learns_from = first_whole_hour(plan, rule, until)


@compiled
def open_hour(plan, rule, mine, hour, held):
    mine.bound = bound_at(plan, rule, mine, hour)
    mine.peak, mine.counted = min(held, mine.bound), False


@compiled
def close_hour(plan, rule, mine, hour):
    """Learn the level of an hour, if all of it may teach."""
    if hour < mine.learns_from:
        return
    level, _ = by_hour(mine, hour)
    if level >= 0 and mine.peak > at_least_floor(plan, rule, level):
        mine.doubted_until = max(mine.doubted_until, hour + DOUBT_WEEKS * WEEK_H)
    first = hour % WEEK_H * WEEKS
    for older in range(first + WEEKS - 1, first, -1):
        mine.weeks[older] = mine.weeks[older - 1]
    mine.weeks[first] = mine.peak
    if mine.counted:
        mine.busiest = max(mine.busiest, mine.peak)


@compiled
def close_day(mine):
    """Learn the highest level of a day, if it had events."""
    if mine.busiest >= 0:
        mine.days[mine.days_seen % DAYS] = mine.busiest
        mine.days_seen, mine.busiest = mine.days_seen + 1, -1.0


@compiled
def bound_for(plan, state, stream, rule, time, rate):
    """The bound of any rule at an event; one against usual takes note of the event's rate."""
    if plan.rules[rule].usual == NONE:
        return plan.rules[rule].bound
    history = state.streams[stream].history
    mine = state.baselines[plan.rules[rule].usual, history]
    hour = time // HOUR_US
    if hour < state.histories[history].hour:
        return bound_at(plan, rule, mine, hour)
    mine.peak, mine.counted = max(mine.peak, min(rate, mine.bound)), True
    return mine.bound


@compiled
def tell_usual(plan, state, stream, rule, time, edge):
    """Write down what was usual at an edge."""
    mine = state.baselines[plan.rules[rule].usual, state.streams[stream].history]
    edge.usual, edge.taken_from, edge.samples = usual_at(plan, rule, mine, time // HOUR_US)


@compiled
def bound_at(plan, rule, mine, hour):
    level, _, _ = usual_at(plan, rule, mine, hour)
    return at_least_floor(plan, rule, level)


@compiled
def at_least_floor(plan, rule, level):
    return max(plan.rules[rule].factor * level, plan.rules[rule].bound)


@compiled
def usual_at(plan, rule, mine, hour):
    """What is usual in an hour, what that is taken from, and from how many weeks or days."""
    level, weeks = by_hour(mine, hour)
    if level >= 0 and hour >= mine.doubted_until:
        return level, BY_HOUR, weeks
    days = min(mine.days_seen, DAYS)
    level = six_digits(ranked(mine.days, 0, days, (days + 9) // 10))
    if days < DAYS_LEAST and level < plan.rules[rule].unknown:
        return plan.rules[rule].unknown, UNKNOWN, 0
    return level, BY_DAYS, days


@compiled
def by_hour(mine, hour):
    """The level of an hour of the week, below 0 where it is not known, and of how many weeks."""
    weeks, level = levels_of(mine, hour), -1.0
    if weeks >= WEEKS_LEAST:
        for near in range(hour - 1, hour + 2):
            known = levels_of(mine, near)
            if known >= WEEKS_LEAST:
                second = ranked(mine.weeks, near % WEEK_H * WEEKS, known, 2)
                level = max(level, six_digits(second))
    return level, weeks


@compiled
def levels_of(mine, hour):
    """How many levels of an hour of the week are known; they stand newest first."""
    first, known = hour % WEEK_H * WEEKS, 0
    while known < WEEKS and mine.weeks[first + known] >= 0:
        known += 1
    return known


@compiled
def ranked(values, first, count, rank):
    """Of so many values the one of this rank, 1 for the highest; 0 where there are none."""
    for one in range(first, first + count):
        higher, as_high = 0, 0
        for other in range(first, first + count):
            higher += values[other] > values[one]
            as_high += values[other] >= values[one]
        if higher < rank <= as_high:
            return np.float64(values[one])
    return 0.0


@compiled
def six_digits(value):
    """The decimal number that was written in single precision."""
    shrink, stretch = 1.0, 1.0
    while value / shrink >= 1e6:
        shrink *= 10.0
    while value * stretch < 1e5 and stretch < 1e12:
        stretch *= 10.0
    return np.rint(value / shrink) * shrink if shrink > 1 else np.rint(value * stretch) / stretch
