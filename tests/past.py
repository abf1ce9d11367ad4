"""Bounds against usual by brute force: every level ever learned is kept and looked through."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from math import ceil, inf
from typing import NamedTuple

from andon.policy import Rule

HOUR = 3_600_000_000
WEEK = 168  # hours


class Held(NamedTuple):
    """What a rule's window held at the newest event before this one."""

    amount: float
    newest: float


@dataclass
class Past:
    """What one rule knows of its workflow's history."""

    rule: Rule
    hour: float = -inf  # the open one
    learns_from: float = -inf
    doubted_until: float = -inf
    levels: dict[float, list[float]] = field(default_factory=dict)  # by hour of the week
    days: dict[float, float] = field(default_factory=dict)  # by day; those with events
    peak: float = 0.0
    counted: bool = False

    def turn(self, t: int, held: Held, *, learns: bool) -> None:
        """An event of this time has come."""
        hour, gap = t // HOUR, t // HOUR - self.hour
        if 0 < gap <= WEEK:
            while self.hour < hour:
                self._close(learns)
                self.hour += 1
                self._open(held.amount if held.newest + self._over > self.hour * HOUR else 0.0)
        elif gap > WEEK:
            if gap > 13 * WEEK:
                self.levels, self.days, self.doubted_until = {}, {}, -inf
            else:
                self._close(learns)
            self.forgive(t)
            self.doubted_until = max(self.doubted_until, self.learns_from + 5 * WEEK)
            self.hour = hour
            self._open(0.0)

    def forgive(self, t: int) -> None:
        """The next lesson is the first clock hour all of which sees a window full since then."""
        self.learns_from = ceil((t + self._over) / HOUR)

    def bound(self, t: int, observed: float) -> float:
        """The bound at an event, which may be of an hour that is over."""
        bound = self._bound(t // HOUR)
        if t // HOUR == self.hour:
            self.peak, self.counted = max(self.peak, min(observed, bound)), True
        return bound

    def told(self, t: int) -> tuple[float, str, int]:
        """What was usual, taken from what, and how many weeks or days of it."""
        hour = t // HOUR
        season, weeks = self._season(hour)
        if season is not None and hour >= self.doubted_until:
            return season, "hour of the week", weeks
        days = sorted(self._last_days(), reverse=True)
        level = kept(days[ceil(len(days) / 10) - 1]) if days else 0.0
        if len(days) < 7 and level < self.rule.unknown:
            return self.rule.unknown, "no history", 0
        return level, "busy days", len(days)

    @property
    def _over(self) -> int:
        return self.rule.over * 1_000_000

    def _bound(self, hour: float) -> float:
        return self._at_least_floor(self.told(int(hour * HOUR))[0])

    def _at_least_floor(self, level: float) -> float:
        assert self.rule.usual is not None
        return max(self.rule.usual.factor * level, self.rule.bound)

    def _open(self, held: float) -> None:
        self.peak, self.counted = min(held, self._bound(self.hour)), False

    def _close(self, learns: bool) -> None:
        if not learns or self.hour < self.learns_from:
            return
        season, _ = self._season(self.hour)
        if season is not None and self.peak > self._at_least_floor(season):
            self.doubted_until = max(self.doubted_until, self.hour + 13 * WEEK)
        self.levels.setdefault(self.hour % WEEK, []).append(self.peak)
        if self.counted:
            day = self.hour // 24
            self.days[day] = max(self.peak, self.days.get(day, 0.0))

    def _last_days(self) -> list[float]:
        """The last 28 days with events that are over."""
        return [level for day, level in self.days.items() if day < self.hour // 24][-28:]

    def _season(self, hour: float) -> tuple[float | None, int]:
        near = [self._levels_at(hour + off) for off in (-1, 0, 1)]
        if len(near[1]) < 3:
            return None, len(near[1])
        return max(kept(sorted(levels)[-2]) for levels in near if len(levels) > 2), len(near[1])

    def _levels_at(self, hour: float) -> list[float]:
        return self.levels.get(hour % WEEK, [])[-5:]


def kept(level: float) -> float:
    """Six digits, as single precision keeps them."""
    (single,) = struct.unpack("f", struct.pack("f", level))
    return float(f"{single:.5e}")
