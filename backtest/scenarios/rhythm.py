"""When things happen: by hour, by weekday, on quiet days and on busy ones."""

from __future__ import annotations

import random
from collections.abc import Sequence

from backtest.scenarios.history import DAY_S, HOUR_S

OFFICE = (0, 0, 0, 0, 0, 0, 1, 3, 8, 11, 12, 11, 8, 10, 12, 11, 9, 6, 3, 1, 0, 0, 0, 0)
"""How much happens in each hour of a day where people work, midnight first."""
SHOP = (2, 1, 1, 1, 1, 2, 4, 7, 10, 12, 12, 11, 10, 11, 12, 12, 11, 10, 9, 9, 8, 6, 4, 3)
"""The same where customers come at any hour."""
WORKWEEK = (1.1, 1.0, 1.0, 1.0, 0.9, 0.05, 0.05)
"""How much happens on each day of a week, Monday first, where people work."""
EVERY_DAY = (1.15, 1.0, 1.0, 1.0, 1.05, 0.9, 0.9)
SPREAD = 0.2
"""Days differ by about a fifth beyond what chance alone would make of them."""


def times(
    dice: random.Random, day: int, per_day: float, hours: Sequence[float], week: Sequence[float]
) -> list[float]:
    """The seconds at which things happen on a day, in order."""
    mean = per_day * week[day % 7] * dice.lognormvariate(-(SPREAD**2) / 2, SPREAD)
    at_hours = dice.choices(range(24), hours, k=poisson(dice, mean))
    return sorted(day * DAY_S + (hour + dice.random()) * HOUR_S for hour in at_hours)


def poisson(dice: random.Random, mean: float) -> int:
    """How often something happens that happens `mean` times on average."""
    count, waited = 0, dice.expovariate(1)
    while waited < mean:
        count, waited = count + 1, waited + dice.expovariate(1)
    return count


def steadily(dice: random.Random, at_s: float, pause_s: float, count: int) -> list[float]:
    """So many times from `at_s` on, `pause_s` apart on average."""
    moments = []
    for _ in range(count):
        at_s += pause_s * dice.uniform(0.5, 1.5)
        moments.append(at_s)
    return moments
