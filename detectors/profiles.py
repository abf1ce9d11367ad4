"""What repeats from event to event, looked up once: who did what, how it ended, who watches it."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from detectors import flags
from detectors.plan import Compiled
from detectors.state import NONE
from detectors.windows import Windows
from detectors.wire import UNREADABLE, WireEvent

PROFILES_MAX = 1 << 19
"""Profiles that are remembered; past it all are forgotten and learnt again."""

WATCHED, UNWATCHED, NOT_LIVE, ODD = 0, 1, 2, 3
"""Kinds of events. ODD: something is wrong with it, or pydantic has to look."""

PROFILE = np.dtype(
    [
        ("kind", np.int8),
        ("policy", np.int32),
        ("stream", np.int32),
        ("flags", np.uint32),
        ("currency", np.uint16),
    ]
)


class Profiles:
    """Numbers for what events have in common; `table` holds a PROFILE for each number."""

    def __init__(self, compiled: Compiled, windows: Windows) -> None:
        self._compiled = compiled
        self._windows = windows
        self.know_currencies(list(compiled.currencies))
        self.forget()

    def know_currencies(self, codes: list[str]) -> None:
        """Give these currencies the numbers that they had."""
        self.currencies = codes
        self._currencies = {code: number for number, code in enumerate(codes) if number}

    def number(self, key: bytes | None, event: WireEvent) -> int:
        """The number of an event's profile, given the key of its record."""
        profile = (
            key,
            event.workflow,
            event.automation,
            event.capability,
            event.action,
            event.outcome,
            event.by,
            event.mode,
            event.currency,
            event.value is None,
            event.reverses is None,
            event.run is None,
            event.specversion is msgspec.UNSET,
        )
        known = self._numbers.get(profile)
        return self._learn(profile, key, event) if known is None else known

    def target_bits(self, number: int, event: WireEvent) -> int:
        """The filter bits of those `where` that look at the target."""
        known = self._targets.get((number, event.target))
        if known is None:
            wheres = self._compiled.policies[self.table[number]["policy"]].wheres
            known = sum(bit for bit, where in wheres if where.target and where.passes(event))
            if len(self._targets) >= PROFILES_MAX:
                self._targets.clear()
            self._targets[number, event.target] = known
        return known

    def forget(self) -> None:
        """Start anew; numbers given before mean nothing then."""
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._targets: dict[tuple[int, str | None], int] = {}
        self.table = np.zeros(256, PROFILE)

    def __len__(self) -> int:
        return len(self._numbers)

    def _learn(self, profile: tuple[Any, ...], key: bytes | None, event: WireEvent) -> int:
        number = len(self._numbers)
        if number == self.table.size:
            self.table = np.concatenate([self.table, np.zeros(number, PROFILE)])
        kind, policy = self._kind_and_policy(key, event)
        stream = self._windows.stream(event.workflow, policy) if kind == WATCHED else NONE
        bits, currency = self._flags(event, policy), self._currency(event)
        self.table[number] = (kind, policy, stream, bits, currency)
        self._numbers[profile] = number
        return number

    def _kind_and_policy(self, key: bytes | None, event: WireEvent) -> tuple[int, int]:
        lettered = event.currency is None or (event.currency.isascii() and event.currency.isalpha())
        priced = event.value is None or event.currency is not None
        keyed = key is None or key == event.workflow.encode()
        plain = event is not UNREADABLE and event.specversion is msgspec.UNSET
        if not (plain and lettered and priced and keyed):
            return ODD, NONE
        policy = self._compiled.book.find(event.workflow, event.automation, event.capability)
        if policy is None or self._compiled.book.policies[policy].mode == "off":
            return UNWATCHED, NONE
        return (WATCHED if event.mode == "live" else NOT_LIVE), policy

    def _flags(self, event: WireEvent, policy: int) -> int:
        bits = flags.BITS[event.outcome] | flags.BITS[event.by]
        bits |= flags.REVERSES if event.reverses is not None else 0
        bits |= flags.HAS_RUN if event.run is not None else 0
        if policy == NONE:
            return bits
        plan = self._compiled.policies[policy]
        for bit, where in plan.wheres:
            bits |= bit if not where.target and where.passes(event) else 0
        for bit, currencies in plan.currencies:
            bits |= bit if (event.currency or "").upper() in currencies else 0
        return bits

    def _currency(self, event: WireEvent) -> int:
        if event.currency is None or event.value is None:
            return 0
        currency = event.currency.upper()
        if currency not in self._currencies:
            self._currencies[currency] = len(self.currencies)
            self.currencies.append(currency)
        return self._currencies[currency]
