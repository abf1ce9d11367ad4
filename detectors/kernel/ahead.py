"""Reading ahead: what the next events will need is scattered over memory, and far from the core.

Read one event after another, each waits for its own; read for several at once, they wait together.
"""

from __future__ import annotations

from detectors.kernel import compiled
from detectors.kernel.hashing import home_of, mixed
from detectors.state import NONE

AHEAD = 16
"""Events; what they need fits the nearest cache."""


@compiled
def read_ahead(plan, state, batch, start, end):
    """Read what some events will need; the sum keeps the compiler from leaving that out."""
    total = 0
    for i in range(start, min(start + AHEAD, end)):
        stream = batch[i].stream
        if stream != NONE:
            key = mixed(batch[i].key, stream)
            total += state.row_table[home_of(state.row_table, key)].number
            total += read_stream(plan, state, stream)
    return total


@compiled
def read_stream(plan, state, stream):
    """What an event of the stream changes, and what leaves its windows."""
    mine = state.streams[stream]
    total = state.workflow_newest[mine.workflow] + link(state, mine.head)
    for slot in range(mine.first_slot, mine.first_slot + plan.policies[mine.policy].rules):
        total += state.slots[slot].events
    for window in range(state.tail.shape[0]):
        total += link(state, link(state, state.tail[window, stream]))
    if mine.oldest != NONE:
        key = state.rows[mine.oldest].key
        total += state.row_table[home_of(state.row_table, key)].number
    return total


@compiled
def link(state, row):
    return NONE if row == NONE else state.rows[row].later
