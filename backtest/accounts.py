"""Accounts of successful actions and the money that they moved, filled a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.plan import MICRO

_CURRENCIES = 1 << 16


@dataclass(slots=True)
class Actions:
    """How many there were, and the money that they moved by currency."""

    count: int = 0
    money: dict[str, float] = field(default_factory=dict)

    def add(self, count: int, currency: str, money: float) -> None:
        """So many more, which moved so much; without a currency, nothing."""
        self.count += count
        if currency:
            self.money[currency] = self.money.get(currency, 0.0) + money

    def report(self) -> dict[str, Any]:
        """As summaries show it."""
        return {
            "actions": self.count,
            "value": {code: round(sum_, 6) for code, sum_ in sorted(self.money.items())},
        }


def total(parts: Iterable[Actions]) -> Actions:
    """All of them together."""
    whole = Actions()
    for part in parts:
        whole.add(part.count, "", 0.0)
        for currency, money in part.money.items():
            whole.add(0, currency, money)
    return whole


class Accounts:
    """Numbered accounts: adding up a batch at a time is ten times as fast as event by event."""

    def __init__(self) -> None:
        self._all: list[Actions] = []

    def open(self) -> int:
        """The number of a new account."""
        self._all.append(Actions())
        return len(self._all) - 1

    def __getitem__(self, number: int) -> Actions:
        return self._all[number]

    def add(
        self, numbers: Sequence[int], batch: NDArray[np.void], currencies: Sequence[str]
    ) -> None:
        """Enter each event of a batch (state.EVENT, n) in the account of its number (n)."""
        keys = np.array(numbers, np.int64) * _CURRENCIES + batch["currency"]
        found, places = np.unique(keys, return_inverse=True)
        counts = np.bincount(places, minlength=found.size)
        sums = np.bincount(places, batch["value"], found.size) / MICRO
        for key, count, money in zip(found.tolist(), counts.tolist(), sums.tolist(), strict=True):
            number, currency = divmod(key, _CURRENCIES)
            self._all[number].add(count, currencies[currency], money)
