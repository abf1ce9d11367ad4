"""One small file a rate: which events it counts above and below the line, written in flags."""

from __future__ import annotations

from collections.abc import Callable

from andon.policy import Rate, Rule
from detectors.rates import denied, duplicate, error, reversal, steps, value, volume
from detectors.rates.terms import Terms

TERMS: dict[Rate, Callable[[Rule], Terms]] = {
    Rate.ERROR: error.terms,
    Rate.DENIED: denied.terms,
    Rate.REVERSAL: reversal.terms,
    Rate.VOLUME: volume.terms,
    Rate.VALUE: value.terms,
    Rate.DUPLICATE: duplicate.terms,
    Rate.STEPS: steps.terms,
}

__all__ = ["TERMS", "Terms"]
