"""`above: 4x usual`: a bound that follows from the workflow's own history, by event time in UTC.

The level of a clock hour is the most that the rule's window held in it: at an event that the rule
counts, and, of what was in the window already, at its beginning. What is usual at an hour is

- the hour of the week: of its last WEEKS levels the second highest, which all but one stayed
  within; the same of the hours before and after it; and of the three the highest. The neighbours
  make an hour of no matter that clocks are changed by, or that a job starts sooner or later. From
  WEEKS_LEAST levels on, and not before WEEKS weeks of learning;
- otherwise busy days: over the last DAYS days with events the highest level of each day, and of
  those the upper decile by rank: what all but a tenth of the days stayed within;
- while fewer than DAYS_LEAST days with events are known, at least `Rule.unknown`.

The bound is `factor` times that, and never below the floor. Ranks of past levels stand for the
recursive level and season of Holt and Winters, as one incident must not move them; a level is cut
at the bound of its hour before it is learned, as robust smoothing cuts what lies outside of the
forecast (Gelper, Fried and Croux, "Robust forecasting with exponential and Holt-Winters
smoothing", Journal of Forecasting 29, 2010).

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

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from xxhash import xxh3_64_intdigest

from andon.commands import Usual
from andon.policy import Policy, Rule
from detectors.kernel.hashing import insert
from detectors.kernel.usual import BY_DAYS, BY_HOUR, UNKNOWN
from detectors.plan import Plan
from detectors.state import HISTORIES, HISTORIES_EVICTED, NONE, State, empty_table
from detectors.times import moment

_TAKEN_FROM: dict[int, Literal["hour of the week", "busy days", "no history"]] = {
    BY_HOUR: "hour of the week",
    BY_DAYS: "busy days",
    UNKNOWN: "no history",
}
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def counted(policy: Policy) -> str:
    """What a history under this policy is of; without rules against usual nothing."""
    rules: list[Any] = [
        (rule.name, rule.rate, rule.over, rule.of, rule.currency, rule.where.named)
        for rule in policy.rules
        if rule.usual
    ]
    return repr((policy.name, policy.convert, rules)) if rules else ""


def history_key(workflow: str, counted: str) -> int:
    """The name of a workflow's history: another one where other things are counted."""
    return xxh3_64_intdigest(f"{workflow}\0{counted}".encode()) if counted else 0


def told(rule: Rule, level: float, taken_from: int, samples: int, ts_us: int) -> Usual:
    """What people are told of a bound against usual, at an event of this time."""
    assert rule.usual is not None
    ts = moment(ts_us)
    return Usual(
        level=level,
        factor=rule.usual.factor,
        floor=rule.bound,
        taken_from=_TAKEN_FROM[taken_from],
        samples=samples,
        hour=f"{_WEEKDAYS[ts.weekday()]} {ts:%H}:00",
    )


def bounds_now(plan: Plan, state: State, streams: Sequence[int]) -> list[list[float]]:
    """Each rule's bound in these streams; of rules against usual that of the open hour."""
    shown = []
    for stream in state.streams[list(streams)]:
        policy = plan.policies[stream["policy"]]
        rules = plan.rules[policy["first_rule"] : policy["end_rule"]]
        bounds = rules["bound"].copy()
        if stream["history"] != NONE:
            against = rules["usual"] != NONE
            places = rules["usual"][against]
            bounds[against] = state.baselines["bound"][places, stream["history"]]
        shown.append(bounds.tolist())
    return shown


def without_old_histories(state: State, most: int) -> State:
    """The state as it is, or where there are so many histories with the half that spoke last."""
    known = int(state.counters[HISTORIES])
    if known < most:
        return state
    newest_first = np.argsort(-state.histories["hour"][:known], kind="stable")
    keep = np.sort(newest_first[: known // 2])
    histories, table = state.histories[keep], empty_table(state.histories.size)
    insert(table, histories, 0, len(histories))
    state.counters[HISTORIES] = len(keep)
    state.counters[HISTORIES_EVICTED] += known - len(keep)
    state.streams["history"] = NONE  # found again by its key, where it was kept
    return state._replace(
        histories=histories, baselines=state.baselines[:, keep], history_table=table
    )
