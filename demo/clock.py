"""Simulated time, so that three days and a night pass in half a minute."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import NamedTuple

from backtest.scenarios.refund_night import END_S, HOUR_S, NIGHT_FROM_S


class Stretch(NamedTuple):
    """Up to `until_s` of simulated time, a real second is `speed` simulated ones."""

    until_s: float
    speed: float


SPEEDS = (
    Stretch(NIGHT_FROM_S, 12 * HOUR_S),
    # Slower where it matters: the 20 ms in which Andon reacts are 11 s of this part of the night.
    Stretch(NIGHT_FROM_S + 1.5 * HOUR_S, 9 * 60.0),
    Stretch(END_S, 2 * HOUR_S),
)


def speed_at(at_s: float, factor: float = 1.0) -> float:
    """How fast simulated time passes there, times `factor`."""
    stretch = next((stretch for stretch in SPEEDS if at_s < stretch.until_s), SPEEDS[-1])
    return stretch.speed * factor


def speeds(factor: float = 1.0) -> str:
    """How fast time passes, for people."""
    days, first, rest = (stretch.speed * factor / 60 for stretch in SPEEDS)
    return (
        f"One second is {days / 60:.3g} hours of the healthy days, {first:.3g} minutes of the "
        f"night until 23:30, then {rest:.3g} minutes"
    )


def real_s(at_s: float, factor: float = 1.0) -> float:
    """How long it takes, in real seconds, from the start until then."""
    ends = [min(stretch.until_s, at_s) for stretch in SPEEDS]
    parts = zip([0.0, *ends], ends, SPEEDS, strict=False)
    return sum((to_s - from_s) / (stretch.speed * factor) for from_s, to_s, stretch in parts)


class Leg(NamedTuple):
    """A part of the way that is under way: simulated seconds, and the real moment it began."""

    from_s: float
    to_s: float
    speed: float
    began: float


class FastClock:
    """Tells simulated time to a guard. It moves only while somebody waits in `reach`.

    So a machine that stalls makes the simulation slower, and never makes its agent act faster
    than its own clock says.
    """

    def __init__(self, start: datetime, factor: float = 1.0) -> None:
        self._start = start
        self._factor = factor
        self._leg = Leg(0.0, 0.0, 1.0, time.monotonic())

    def __call__(self) -> datetime:
        leg = self._leg
        at_s = leg.from_s + (time.monotonic() - leg.began) * leg.speed
        return self._start + timedelta(seconds=min(at_s, leg.to_s))

    def reach(self, at_s: float) -> None:
        """Wait until so many simulated seconds have passed since the start."""
        changes = [stretch.until_s for stretch in SPEEDS if stretch.until_s < at_s]
        for to_s in [*changes, at_s]:
            from_s = self._leg.to_s
            if to_s > from_s:
                speed = speed_at(from_s, self._factor)
                self._leg = Leg(from_s, to_s, speed, time.monotonic())
                time.sleep((to_s - from_s) / speed)
                self._leg = Leg(to_s, to_s, speed, time.monotonic())
