"""Which workflows the windows forget, so that what they hold is bounded.

Up to `Bounds.workflows_kept` workflows nothing is forgotten. Beyond, a workflow is when it has
been silent for twice the longest window of any policy, seen from the partition's newest event:
no window can see it. Where as many as `Bounds.workflows_max` are not silent, the half that spoke
last longest ago is. The log decides when (at the first event of a workflow that is one too many),
so that batches, restarts and crashes change nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from detectors.kernel import forgetting, reversals
from detectors.plan import Plan
from detectors.state import (
    CLOCK,
    EVICTED,
    FORGOTTEN,
    FULL,
    LONG_AGO,
    SWEEP_AT,
    WORKFLOWS,
    State,
    no_waiters,
)


class Bounds(NamedTuple):
    """How much one partition may hold."""

    workflows_kept: int = 10_000
    workflows_max: int = 500_000
    histories_max: int = 1 << 16  # of rules against usual, at 3.5 KB for each of them
    events_exact: int = 1_000_000  # rows of one workflow and policy; see detectors.kernel.folding
    down_workflows: int = 3  # that fail on one target within
    down_over_s: int = 600  # before it counts as down; see detectors.outages


BOUNDS = Bounds()


def sweep(plan: Plan, state: State, bounds: Bounds, streams: int) -> State:
    """Forget workflows, until there is room for as many again where that can be had.

    `streams` says how many streams have ever been made.
    """
    counters, newest = state.counters, state.workflow_newest[:streams]
    known = newest > LONG_AGO
    longest_us = int(plan.policies["longest_us"].max())
    gone = known & (newest <= counters[CLOCK] - 2 * longest_us)
    counters[FORGOTTEN] += gone.sum()
    if (known & ~gone).sum() > bounds.workflows_max * 7 // 8:
        stale = known & ~gone & (newest <= np.median(newest[known & ~gone]))
        counters[EVICTED] += stale.sum()
        gone |= stale
    forgetting.forget(plan, state, gone)
    newest[gone] = LONG_AGO
    counters[WORKFLOWS] -= gone.sum()
    room = max(bounds.workflows_kept, 2 * int(counters[WORKFLOWS]))
    counters[SWEEP_AT] = min(bounds.workflows_max, room)
    counters[FULL] = 0
    waiting = state.waiting
    state = state._replace(waiting=no_waiters(waiting.size // 4))
    reversals.rewait(waiting, plan, state)
    return state
