"""`method: evidence` by brute force: all sums are made afresh, from every event, at every event."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from math import inf, log
from typing import NamedTuple

from andon.policy import Rule

SECOND = 1_000_000


@dataclass
class Counted:
    """An event that a rule counts."""

    t: int
    event_id: str
    bad: bool  # by cohort: has been reversed in time
    below: bool  # in the denominator


class Told(NamedTuple):
    """What a trip tells."""

    observed: float
    events: int
    window_s: int


@dataclass
class Gathered:
    """The events of one rule and group since its last trip, in the order in which they count."""

    counted: list[Counted] = field(default_factory=list)
    tripped: float = -inf

    def add(self, event: Counted, *, in_order_of_time: bool) -> None:
        if in_order_of_time:
            insort(self.counted, event, key=lambda one: one.t)
        else:
            self.counted.append(event)

    def reverse(self, event_id: str, after: float) -> None:
        for one in self.counted:
            if one.event_id == event_id and one.t > after:
                one.bad = True

    def peak(self, rule: Rule) -> int | None:
        """The place of the bad event at which the evidence is most, if that is enough."""
        assert rule.false_trips is not None
        null = null_of(rule)
        rates = [float(f"{null ** (1 - k / 10):.6g}") for k in range(1, 10)]
        sums, newest, most, place = [0.0] * 9, -inf, 0.0, None
        for n, event in enumerate(self.counted):
            if event.t - newest > rule.over * SECOND:
                sums = [0.0] * 9
            sums = [
                (m + 1) * (a / null if event.bad else (1 - a) / (1 - null))
                for m, a in zip(sums, rates, strict=True)
            ]
            newest = max(newest, event.t)
            mean = sum(sums) / 9
            if event.bad and mean >= rule.false_trips and mean > most:
                most, place = mean, n
        return place


def likeliest_stretch(rule: Rule, seen: list[Counted]) -> Told:
    """Of all that begins somewhere and ends with the last event, what the bound explains worst."""
    best, told, until = -inf, Told(0.0, 0, 1), max(one.t for one in seen)
    for start in sorted({one.t for one in seen}, reverse=True):
        part = [one for one in seen if one.t >= start]
        bad, below = sum(one.bad for one in part), sum(one.below for one in part)
        likelihood = likelihood_ratio(bad, len(part), null_of(rule))
        if likelihood > best:
            seconds = -(-(until - start) // SECOND)
            best, told = likelihood, Told(bad / max(below, 1), below, rounded(seconds))
    return told


def null_of(rule: Rule) -> float:
    assert isinstance(rule.above, float)
    arriving = rule.rate == "reversal" and rule.attribute == "arrival"
    return rule.above / (1 + rule.above) if arriving else rule.above


def likelihood_ratio(bad: int, events: int, null: float) -> float:
    """Its logarithm: the share that was seen against the null; negative for a share below."""
    parts = ((bad, null), (events - bad, 1 - null))
    total = sum(n * log(n / events / share) for n, share in parts if n)
    return total if bad > events * null else -total


def rounded(seconds: int) -> int:
    """Up to whole minutes from two minutes on, to whole hours from two hours on."""
    unit = 3600 if seconds >= 7200 else 60 if seconds >= 120 else 1
    return max(1, -(-seconds // unit) * unit)
