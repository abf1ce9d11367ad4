"""A made-up log with its truth: a workflow in good health, and perhaps an incident in it.

Seconds count from START, a Monday at midnight UTC. The same seed always makes the same log.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from andon.events import Capability, Event, Outcome

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
HEALTHY_DAYS = 364
"""Fifty-two weeks: a healthy history is a workflow-year."""
LEAD_DAYS = 7
"""An incident begins in the second week."""


@dataclass(frozen=True, slots=True, order=True)
class Act:
    """One event to be. `fields` are those of an event, beside who did it."""

    at_s: float
    id: str
    fields: dict[str, Any] = field(compare=False)


class Author:
    """Writes the acts of one history: its dice, and an id for each act."""

    def __init__(self, history: str, seed: int) -> None:
        self.dice = random.Random(f"{history}/{seed}")
        self._of = f"{history}/{seed}"
        self._acts = 0

    def act(
        self, at_s: float, action: str, target: str, *, errors: float = 0.0, **fields: Any
    ) -> Act:
        """An action, which fails with the probability `errors`."""
        self._acts += 1
        failed = self.dice.random() < errors
        ended = {"outcome": Outcome.ERROR if failed else Outcome.SUCCESS}
        named = {"action": action, "target": target}
        return Act(at_s, f"{self._of}/{self._acts}", named | ended | fields)

    def undo(self, act: Act, at_s: float, *, by: str = "human", **fields: Any) -> Act:
        """The reversal of an act."""
        return self.act(at_s, **(act.fields | {"reverses": act.id, "by": by} | fields))

    def undone(self, act: Act, share: float) -> Iterator[Act]:
        """With the probability `share` a person undoes a successful act within the working day."""
        if act.fields["outcome"] is Outcome.SUCCESS and self.dice.random() < share:
            yield self.undo(act, in_office(act.at_s + self.dice.uniform(0.5, 8) * HOUR_S))


class Business(NamedTuple):
    """What an automation does for a firm, day by day, and what it does when it goes wrong."""

    workflow: str
    automation: str
    capability: Capability
    incident: str
    day: Callable[[Author, int], Iterable[Act]]  # a healthy day; no act before its midnight
    fail: Callable[[Author, float], Iterable[Act]]  # the incident that begins then, if unstopped


@dataclass(frozen=True, slots=True)
class Incident:
    """The label. Between these times the workflow should be paused; nobody else stops it."""

    name: str
    workflow: str
    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class History:
    """A log, by time, of one workflow. Without an incident nothing in it should be paused."""

    business: Business
    seed: int
    acts: Iterable[Act]
    days: int
    incident: Incident | None = None

    def events(self) -> Iterator[Event]:
        """The log where nothing stops the automation. To be read once."""
        business = self.business
        actor = {"workflow": business.workflow, "automation": business.automation}
        for act in self.acts:
            ts = START + timedelta(seconds=round(act.at_s, 3))
            doing = actor | {"capability": business.capability, "event_id": act.id, "ts": ts}
            money = {"currency": "USD"} if "value" in act.fields else {}
            yield Event.model_validate(doing | money | act.fields)


def healthy(business: Business, seed: int, days: int = HEALTHY_DAYS) -> History:
    """The business in good health."""
    author = Author(f"{business.workflow}/healthy", seed)
    return History(business, seed, _by_time(business, author, days), days)


def failing(business: Business, seed: int) -> History:
    """The same after a good week, until the incident has run its course."""
    author = Author(f"{business.workflow}/{business.incident}", seed)
    begins_s = round((LEAD_DAYS + author.dice.uniform(0, 7)) * DAY_S, 3)
    damage = sorted(business.fail(author, begins_s))
    ends_s = damage[-1].at_s
    days = int(ends_s // DAY_S) + 1
    usual = (act for act in _by_time(business, author, days) if act.at_s <= ends_s)
    label = Incident(business.incident, business.workflow, _time(begins_s), _time(ends_s))
    return History(business, seed, heapq.merge(usual, damage), days, label)


def in_office(at_s: float) -> float:
    """That time, or the next morning where it lies outside of 08:00 to 18:00 on a weekday."""
    while at_s // DAY_S % 7 >= 5 or at_s % DAY_S >= 18 * HOUR_S:
        at_s = (at_s // DAY_S + 1) * DAY_S
    opens_s = at_s // DAY_S * DAY_S + 8 * HOUR_S
    return at_s if at_s >= opens_s else opens_s + at_s % HOUR_S


def _by_time(business: Business, author: Author, days: int) -> Iterator[Act]:
    """Each day's acts in order, with what earlier days left to be done."""
    waiting: list[Act] = []
    for day in range(days):
        for act in business.day(author, day):
            heapq.heappush(waiting, act)
        while waiting and waiting[0].at_s < (day + 1) * DAY_S:
            yield heapq.heappop(waiting)


def _time(at_s: float) -> datetime:
    return START + timedelta(seconds=round(at_s, 3))
