"""What a backtest adds up, by workflow: executed and blocked actions, money, trips."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from andon.breaker import State
from andon.commands import Command
from andon.events import format_ts
from detectors.flags import AUTOMATION, SUCCESS
from detectors.kernel.loop import BLOCKED, COUNTED, DUPLICATE, LATE
from detectors.line import Taken
from detectors.profiles import NOT_LIVE, UNWATCHED, WATCHED

_DONE = SUCCESS | AUTOMATION
_FATES = {COUNTED: "counted", LATE: "late", DUPLICATE: "duplicate", BLOCKED: "blocked"}


@dataclass(slots=True)
class Actions:
    """Successful live actions of automations, and the money that they moved by currency."""

    count: int = 0
    money: dict[str, float] = field(default_factory=dict)

    def add(self, currency: str | None, value: float | None) -> None:
        """One more action."""
        self.count += 1
        if value is not None and currency is not None:
            self.money[currency] = self.money.get(currency, 0.0) + value

    def report(self) -> dict[str, Any]:
        """As the summary shows it."""
        return {
            "actions": self.count,
            "value": {code: round(sum_, 6) for code, sum_ in sorted(self.money.items())},
        }


@dataclass(slots=True)
class Page:
    """One workflow's account."""

    executed: Actions = field(default_factory=Actions)
    blocked: Actions = field(default_factory=Actions)
    detections: int = 0
    state: State = State.CLOSED
    trips: list[dict[str, Any]] = field(default_factory=list)


class Ledger:
    """Adds up what became of a log."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.fates: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()

    def add(self, taken: Taken) -> None:
        """Enter one judged batch."""
        columns, fates, effects, _ = taken
        self._count_fates(taken)
        ran = ((columns.batch["flags"] & _DONE) == _DONE) & (columns.kind == WATCHED)
        for index in np.flatnonzero(ran & (fates != DUPLICATE)):
            event = columns.events[index]
            page = self._page(event.workflow)
            actions = page.blocked if fates[index] == BLOCKED else page.executed
            actions.add(event.currency, event.value)
        for detection in effects.detections:
            self._page(detection.workflow).detections += 1
            self.rules[f"{detection.policy.name}/{detection.rule.name}"] += 1
        for command in effects.commands:
            page = self._page(command.workflow)
            page.state = command.state
            if command.state is State.OPEN:
                page.trips.append(_trip(command))

    def summary(self) -> dict[str, Any]:
        """The whole log in one object."""
        return {
            "records": self.fates.total(),
            "events": dict(sorted(self.fates.items())),
            "detections": self.rules.total(),
            "rules": dict(sorted(self.rules.items())),
            "workflows": self.workflows(),
        }

    def workflows(self) -> list[dict[str, Any]]:
        """One object a workflow that a policy watches, by name."""
        return [
            {
                "workflow": workflow,
                "state": page.state.value,
                "detections": page.detections,
                "trips": page.trips,
                "executed": page.executed.report(),
                "blocked": page.blocked.report(),
            }
            for workflow, page in sorted(self.pages.items())
        ]

    def _page(self, workflow: str) -> Page:
        return self.pages.setdefault(workflow, Page())

    def _count_fates(self, taken: Taken) -> None:
        kinds, fates = taken.columns.kind, taken.fates
        watched = kinds == WATCHED
        self.fates["rejected"] += len(taken.effects.rejected)
        self.fates["unwatched"] += int(np.sum(kinds == UNWATCHED))
        self.fates["not_live"] += int(np.sum(kinds == NOT_LIVE))
        for fate, name in _FATES.items():
            self.fates[name] += int(np.sum(watched & (fates == fate)))


def _trip(command: Command) -> dict[str, Any]:
    return {
        "ts": format_ts(command.issued_at),
        "rule": command.reason.rule,
        "reason": command.reason.text,
    }
