"""What a backtest adds up, by workflow: executed and blocked actions, money, pauses."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from andon.breaker import State
from andon.commands import Command
from andon.events import format_ts
from backtest.accounts import Accounts, Actions, total
from detectors.flags import AUTOMATION, SUCCESS
from detectors.kernel.loop import BLOCKED, COUNTED, DUPLICATE, LATE
from detectors.line import Taken
from detectors.profiles import NOT_LIVE, UNWATCHED, WATCHED
from detectors.times import moment

_DONE = SUCCESS | AUTOMATION
_FATES = {COUNTED: "counted", LATE: "late", DUPLICATE: "duplicate", BLOCKED: "blocked"}
_ENDS = ("rejected", "unwatched", "not_live", *_FATES.values())


@dataclass(slots=True)
class Pause:
    """A workflow stood still from its trip to the command that let it run again, if one did."""

    trip: Command
    account: int  # of what was blocked
    resumed: datetime | None = None


@dataclass(slots=True)
class Page:
    """One workflow's account."""

    workflow: str
    account: int  # of what was executed
    detections: int = 0
    state: State = State.CLOSED
    pauses: list[Pause] = field(default_factory=list)


class _Pages(dict[str, Page]):
    """A page for each workflow, made when it is first asked for."""

    def __init__(self, accounts: Accounts) -> None:
        super().__init__()
        self._accounts = accounts

    def __missing__(self, workflow: str) -> Page:
        page = self[workflow] = Page(workflow, self._accounts.open())
        return page


class Ledger:
    """Adds up what became of a log."""

    def __init__(self) -> None:
        self._accounts = Accounts()
        self.pages = _Pages(self._accounts)
        self.fates = Counter(dict.fromkeys(_ENDS, 0))
        self.rules: Counter[str] = Counter()
        self.unconverted: Counter[str] = Counter()
        self.first: datetime | None = None  # event, by its own time
        self.last: datetime | None = None

    def add(self, taken: Taken) -> None:
        """Enter one judged batch; its records carry their numbers in the log as offsets."""
        columns, effects = taken.columns, taken.effects
        self._count_fates(taken)
        if columns.events:
            times = (
                moment(int(columns.batch["time"].min())),
                moment(int(columns.batch["time"].max())),
            )
            self.first = min(times[0], self.first or times[0])
            self.last = max(times[1], self.last or times[1])
        for detection in effects.detections:
            self.pages[detection.workflow].detections += 1
            self.rules[f"{detection.policy.name}/{detection.rule.name}"] += 1
        for (_, currency), count in effects.unconverted.items():
            self.unconverted[currency] += count
        ran = ((columns.batch["flags"] & _DONE) == _DONE) & (columns.kind == WATCHED)
        done = np.flatnonzero(ran & (taken.fates != DUPLICATE))
        self._accounts.add(self._numbers(taken, done), columns.batch[done], columns.currencies)

    def summary(self) -> dict[str, Any]:
        """The whole log in one object; `unconverted` where `convert` lacks a currency."""
        unconverted = {"unconverted": dict(sorted(self.unconverted.items()))}
        return {
            "records": self.fates.total(),
            "events": dict(sorted(self.fates.items())),
            "detections": self.rules.total(),
            "rules": dict(sorted(self.rules.items())),
            **(unconverted if self.unconverted else {}),
            "workflows": self.workflows(),
        }

    def workflows(self) -> list[dict[str, Any]]:
        """One object a workflow that a policy watches, by name."""
        return [
            {
                "workflow": page.workflow,
                "state": page.state.value,
                "detections": page.detections,
                "trips": [_trip(pause.trip) for pause in page.pauses],
                "executed": self.executed(page).report(),
                "blocked": total(map(self.blocked, page.pauses)).report(),
            }
            for _, page in sorted(self.pages.items())
        ]

    def executed(self, page: Page) -> Actions:
        """What a workflow did."""
        return self._accounts[page.account]

    def blocked(self, pause: Pause) -> Actions:
        """What a workflow would have done in a pause."""
        return self._accounts[pause.account]

    def _numbers(self, taken: Taken, done: np.ndarray[tuple[int], np.dtype[np.intp]]) -> list[int]:
        """The account of each action, between the commands of the batch, which open new ones."""
        names, which = taken.columns.workflows_of(done)
        different = [self.pages[name] for name in names]
        pages = [different[index] for index in which.tolist()]
        for place, index in enumerate(done.tolist() if taken.barred else ()):
            if scope := taken.barred.get(index):
                pages[place] = self.pages[scope]
        blocked = (taken.fates[done] == BLOCKED).tolist()
        numbers: list[int] = []
        for command in taken.effects.commands:
            end = int(np.searchsorted(done, _index(taken, command), "right"))
            numbers += map(_number, pages[len(numbers) : end], blocked[len(numbers) : end])
            self._obey(command)
        return [*numbers, *map(_number, pages[len(numbers) :], blocked[len(numbers) :])]

    def _obey(self, command: Command) -> None:
        page = self.pages[command.workflow]
        page.state = command.state
        if command.state is State.OPEN:
            page.pauses.append(Pause(command, self._accounts.open()))
        elif page.pauses and page.pauses[-1].resumed is None:
            page.pauses[-1].resumed = command.issued_at

    def _count_fates(self, taken: Taken) -> None:
        kinds, fates = taken.columns.kind, taken.fates
        watched = kinds == WATCHED
        self.fates["rejected"] += len(taken.effects.rejected)
        self.fates["unwatched"] += int(np.sum(kinds == UNWATCHED))
        self.fates["not_live"] += int(np.sum(kinds == NOT_LIVE))
        for fate, name in _FATES.items():
            self.fates[name] += int(np.sum(watched & (fates == fate)))


def _number(page: Page, blocked: bool) -> int:
    return page.pauses[-1].account if blocked else page.account


def _index(taken: Taken, command: Command) -> int:
    """The place in the batch of the event that brought a command about."""
    offsets, source = taken.columns.records.offsets, command.source
    assert offsets is not None
    assert source is not None
    record = bisect_left(offsets, source.offset)
    return int(np.searchsorted(taken.columns.record, record))


def _trip(command: Command) -> dict[str, Any]:
    return {
        "ts": format_ts(command.issued_at),
        "rule": command.reason.rule,
        "reason": command.reason.text,
    }
