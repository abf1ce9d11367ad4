"""`method: evidence`: trip on proof that the true rate is above the bound, not on a window's luck.

For each alternative rate a above the bound p, a number M gathers evidence, from 0 on:

    M <- (M + 1) * (a / p if the event is bad else (1 - a) / (1 - p))

and the rule trips at a bad event that brings the mean of the Ms to the promise N of
`false_trips: 1 in N`. While the true rate is at most p, whatever the past, each factor is 1 or
less on average, so the mean of the Ms grows by 1 or less an event, and reaches N after N events or
more on average: the promise holds by construction, for dependent and changing rates too. That is
the e-detector of Shin, Ramdas and Rinaldo ("E-detectors", 2022) with Shiryaev-Roberts sums; the
delay is near log(N) / KL(true rate, p), which nobody can beat by much (Lorden, 1971).

M needs no logarithms: it is at most N times 9 times 1 / p, and it cannot fall below 0.
"""

from __future__ import annotations

from typing import NamedTuple

from andon.policy import Rate, Rule

ALTERNATIVES = 9
"""How many rates above the bound are held against it at once."""


class Proof(NamedTuple):
    """What an evidence rule multiplies with, and what it has to reach."""

    null: float  # the share of bad events up to which all is well
    promise: float
    if_bad: tuple[float, ...]
    if_good: tuple[float, ...]


def alternatives(null: float) -> tuple[float, ...]:
    """Rates evenly spaced, by logarithm, between the bound and 1.

    Cut to six digits: machines differ in the last digit of a power, and must not in a decision.
    """
    steps = range(1, ALTERNATIVES + 1)
    return tuple(float(f"{null ** (1 - step / (ALTERNATIVES + 1)):.6g}") for step in steps)


def proof(null: float, promise: float) -> Proof:
    """The test of `a share of at most null`, with a false trip in `promise` events."""
    rates = alternatives(null)
    return Proof(
        null,
        promise,
        if_bad=tuple(rate / null for rate in rates),
        if_good=tuple((1 - rate) / (1 - null) for rate in rates),
    )


def proof_of(rule: Rule) -> Proof:
    """The test that a rule with `method: evidence` asks for.

    Reversals that are counted at arrival are events of their own, beside the actions: at r
    reversals an action, r / (1 + r) of all events are reversals.
    """
    assert isinstance(rule.above, float)
    assert rule.false_trips is not None
    by_arrival = rule.rate is Rate.REVERSAL and rule.attribute == "arrival"
    return proof(rule.above / (1 + rule.above) if by_arrival else rule.above, rule.false_trips)


NO_PROOF = Proof(0.0, 0.0, (0.0,) * ALTERNATIVES, (0.0,) * ALTERNATIVES)
"""Stands in the plan of a rule with `method: window`."""
