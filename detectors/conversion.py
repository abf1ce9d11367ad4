"""Money of several currencies in one sum: `convert` of a policy, as whole numbers.

A rate is a whole number of the last digit that any rate of the policy has: at EUR 1.08 and JPY
0.0065 a dollar weighs 10,000, a euro 10,800 and a yen 65. An event's value, in millionths, times
its weight is a whole number too, so that sums are exact while a product stays below 2^53, and to
16 digits beyond. Nothing is rounded before the sum is told, divided by the dollar's weight.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from andon.convert import Convert, exact
from andon.policy import PolicyBook


def known_currencies(book: PolicyBook) -> tuple[str, ...]:
    """The currencies that have a weight in some policy; their places are their numbers, from 1."""
    codes = {code for policy in book.policies for code in _weights(policy.convert)}
    return ("", *sorted(codes))


def unit(convert: Convert) -> float:
    """What one unit of `to` weighs."""
    return _weights(convert)[convert.to.upper()]


def codes(convert: Convert | None, currency: str) -> frozenset[str]:
    """The currencies that a rule in this one counts."""
    if convert is not None and convert.takes(currency):
        return frozenset(_weights(convert))
    return frozenset({currency.upper()})


def weights(convert: Convert | None, currencies: Sequence[str]) -> NDArray[np.float64]:
    """What each currency weighs; 0 for one that is not counted."""
    known = _weights(convert)
    return np.array([known.get(code, 0.0) for code in currencies])


def _weights(convert: Convert | None) -> dict[str, float]:
    if convert is None:
        return {}
    rates = {code: exact(rate) for code, rate in convert.rates.items()}
    one = 10 ** max(0, *(-int(rate.as_tuple().exponent) for rate in rates.values()))
    return {convert.to.upper(): float(one)} | {
        code: float(rate * one) for code, rate in rates.items()
    }
