"""The life of a breaker in a backtest with `--latch`, one event at a time over the reference."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from andon.events import Event
from andon.policy import Policy, PolicyBook
from tests.reference import SECOND, Reference, micros


@dataclass
class Actions:
    """Successful live actions of automations, each once, and their money."""

    count: int = 0
    money: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def add(self, event: Event) -> None:
        self.count += 1
        if event.value is not None and event.currency is not None:
            self.money[event.currency.upper()] += Decimal(repr(event.value))

    def report(self) -> dict[str, Any]:
        return {"actions": self.count, "value": {c: float(sum_) for c, sum_ in self.money.items()}}


@dataclass
class Life:
    """One workflow's breaker and account."""

    state: str = "CLOSED"
    since: int = 0
    policy: Policy | None = None
    passed: int = 0
    limited_until: int | None = None
    in_a_row: int = 0
    trips: list[tuple[str, str]] = field(default_factory=list)
    detections: int = 0
    executed: Actions = field(default_factory=Actions)
    blocked: Actions = field(default_factory=Actions)

    def is_due(self, t: int) -> bool:
        after = self.policy.recover.after if self.policy else None
        if self.state != "OPEN" or self.policy is None or after is None:
            return False
        wait = after
        if self.policy.recover.after_max is not None:
            for _ in range(self.in_a_row - 1):
                wait = min(wait + after, self.policy.recover.after_max)
        return t >= self.since + wait * SECOND

    def trip(self, t: int, policy: Policy) -> None:
        """One more in a row, less one for each `after` that it has run freely since the last."""
        after = policy.recover.after
        if after is None or policy.recover.after_max is None:
            self.in_a_row = 0
        else:
            free_since = self.since if self.state == "CLOSED" else t
            while self.in_a_row and t - free_since >= after * SECOND:
                self.in_a_row, free_since = self.in_a_row - 1, free_since + after * SECOND
            self.in_a_row += 1
        self.state, self.since, self.limited_until, self.policy = "OPEN", t, None, policy

    def good_action(self, t: int) -> None:
        """Enough of them after the event that began a trial end it."""
        trial = self.state == "HALF_OPEN" and self.limited_until is None
        if trial and self.policy is not None and t > self.since:
            self.passed += 1
            if self.passed >= self.policy.recover.trial.passes:
                slow, self.since = self.policy.recover.slow, t
                if slow is None:
                    self.state = "CLOSED"
                else:
                    self.limited_until = t + slow.lasts * SECOND


class Latched:
    """Feeds a reference with what is executed while trips take effect."""

    def __init__(self, book: PolicyBook) -> None:
        self.reference = Reference(book)
        self.lives: dict[str, Life] = defaultdict(Life)

    def feed(self, event: Event) -> list[dict[str, Any]]:
        life, t = self.lives[event.workflow], micros(event.ts)
        good = event.outcome == "success" and event.by == "automation" and event.mode == "live"
        watched = self.reference.policy_of(event) is not None
        if life.is_due(t):
            life.state, life.since, life.passed = "HALF_OPEN", t, 0
            self.reference.forgive(event.workflow, t - 1)
        if life.limited_until is not None and t >= life.limited_until:
            life.state, life.since, life.limited_until = "CLOSED", t, None
        if life.state == "OPEN":
            if good and watched:
                life.blocked.add(event)
            return []
        edges = self.reference.feed(event)
        fate = self.reference.fate
        if good and watched and fate != "duplicate":
            life.executed.add(event)
        life.detections += len(edges)
        tripping = [edge for edge in edges if edge["mode"] == "enforce"]
        if tripping:
            policy = self.reference.policy_of(event)
            assert policy is not None
            life.trip(t, policy)
            self.reference.rest(event.workflow)
            life.trips.append((tripping[0]["ts"], tripping[0]["rule"]))
        elif good and fate in ("counted", "unwatched"):
            life.good_action(t)
        return edges

    def report(self) -> dict[str, dict[str, Any]]:
        return {
            workflow: {
                "state": life.state,
                "detections": life.detections,
                "trips": life.trips,
                "executed": life.executed.report(),
                "blocked": life.blocked.report(),
            }
            for workflow, life in self.lives.items()
        }
