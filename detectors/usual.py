"""`above: 4x usual`: a bound that follows from the workflow's own history, by event time in UTC.

The level of a clock hour is the most that the rule's window held in it: at an event that the rule
counts, and, of what was in the window already, at its beginning. What is usual at an hour is

- the hour of the week: over the last WEEKS levels of this hour of the week their median, and the
  same of the hours before and after it, of the three the highest. The neighbours make an hour of
  no matter that clocks are changed by, or that a job starts sooner or later. From WEEKS_LEAST
  levels on, and not before WEEKS weeks of learning;
- otherwise busy days: over the last DAYS days with events the highest level of each day, and of
  those the upper decile by rank: what but a tenth of the days stayed within;
- in the first week, and with no history at all, at least `Rule.unknown`.

The bound is `factor` times that, and never below the floor. Medians and deciles of past levels
stand for the recursive level and season of Holt and Winters, as an incident must not move them; a
level is cut at the bound of its hour before it is learned, as robust smoothing cuts what lies
outside of the forecast (Gelper, Fried and Croux, "Robust forecasting with exponential and
Holt-Winters smoothing", Journal of Forecasting 29, 2010).

The hours of the week have to prove themselves: when a level that crossed no bound would have
crossed the one by hour of the week, that is not asked again for DOUBT_WEEKS weeks.

Nothing is learned while a workflow is paused, and from the release on not until the window is full
and a new hour begins; so the hour that tripped teaches nothing. A silence of more than a week
teaches nothing either, and makes the hours of the week wait for WEEKS weeks; one of more than
DOUBT_WEEKS weeks lets all be forgotten. An event that comes after its hour is over is measured
against what is known by then, and teaches nothing.

Levels are kept to six significant digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from andon.policy import Policy
from detectors.state import BASELINES, NONE, State

HISTORIES_MAX = 1 << 16
"""Workflows, counted once a policy, whose history is kept; at 3.5 KB for each rule."""


def history_key(workflow: str, policy: Policy) -> int:
    """The name of a workflow's history: another one where other things are counted."""
    counted: list[Any] = [
        (rule.name, rule.rate, rule.over, rule.of, rule.currency, rule.where.named)
        for rule in policy.rules
        if rule.usual
    ]
    return xxh3_64_intdigest(repr((workflow, policy.name, counted)).encode())


def kept(state: State, most: int = HISTORIES_MAX) -> NDArray[np.int64]:
    """The histories to keep: all, or where there are `most`, the half that spoke last."""
    known = int(state.counters[BASELINES])
    if known < most:
        return np.arange(known)
    newest_first = np.argsort(-state.baselines["hour"][0, :known], kind="stable")
    return np.sort(newest_first[: known // 2])
