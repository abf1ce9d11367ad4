"""The state of streams that are new: workflows that are heard of for the first time, under a
policy. They come by the thousand, so a batch of them is written down at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.plan import Plan
from detectors.room import with_room
from detectors.state import LONG_AGO, NONE, SLOTS, State


def begun(
    state: State, plan: Plan, streams: NDArray[np.int64], policies: NDArray[np.int64], unused: int
) -> State:
    """The state with these streams, each under its policy, as if nothing had ever happened there.

    Numbers from `unused` on, in order, have never stood for a stream; others have their slots.
    """
    state = _made(state, plan, unused, policies[streams >= unused])
    for name, value in (("newest", LONG_AGO), ("floor", LONG_AGO), ("history", NONE)):
        state.streams[name][streams] = value
    return state


def _made(state: State, plan: Plan, first: int, policies: NDArray[np.int64]) -> State:
    """Streams from the number `first` on, with a slot for each of their rules."""
    rules = plan.policies["rules"][policies]
    slot, end, slots = int(state.counters[SLOTS]), first + len(policies), int(rules.sum())
    state = with_room(with_room(state, "stream", end), "slot", slot + slots)
    mine = state.streams[first:end]
    for name in ("workflow", "head", "oldest"):
        mine[name] = NONE
    mine["policy"], mine["coarse"], mine["rows"] = policies, LONG_AGO, 0
    mine["first_slot"] = slot + np.cumsum(rules) - rules
    state.workflow_newest[first:end] = LONG_AGO  # a workflow gets no number that no stream had
    state.tail[:, first:end] = NONE
    state.slots["owner"][slot : slot + slots] = np.repeat(np.arange(first, end), rules)
    state.slots["rule"][slot : slot + slots] = NONE
    for name in ("newest", "tripped"):
        state.evidence[name][:, slot : slot + slots] = LONG_AGO
    state.counters[SLOTS] += slots
    return state
