"""Emptying the streams of workflows that are forgotten."""

from __future__ import annotations

from detectors.kernel import compiled
from detectors.kernel.evidence import begin_afresh
from detectors.kernel.groups import forget_group
from detectors.kernel.rows import free_rows
from detectors.state import LONG_AGO, NONE, SILENT_GROUPS, SLOTS

_FAR_AHEAD = -LONG_AGO


@compiled
def forget(plan, state, gone):
    """Empty every stream whose workflow is gone; the stream keeps its number and its slots.

    `gone` tells it of each workflow's number; there are no more workflows than streams.
    """
    for stream in range(gone.size):
        if state.streams[stream].newest == LONG_AGO or not gone[state.streams[stream].workflow]:
            continue
        free_rows(plan, state, stream, _FAR_AHEAD)
        state.tail[:, stream] = NONE
        state.streams[stream].newest, state.streams[stream].coarse = LONG_AGO, LONG_AGO
    for slot in range(state.counters[SLOTS]):
        owner = state.slots[slot].owner
        if owner == NONE or not gone[state.streams[owner].workflow]:
            continue
        if state.slots[slot].rule != NONE:
            forget_group(state, slot)
            state.counters[SILENT_GROUPS] -= 1  # it had lost its rows, and was kept all the same
            continue
        state.slots[slot].above, state.slots[slot].above_rest = 0.0, 0.0
        state.slots[slot].below, state.slots[slot].below_rest = 0.0, 0.0
        state.slots[slot].events, state.slots[slot].crossed = 0, False
        if state.evidence.shape[0]:
            begin_afresh(state.evidence, slot)
