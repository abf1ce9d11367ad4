"""How good policies are: what incidents cost before the trip, and how often health is paused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from andon.breaker import State
from andon.commands import Command
from andon.policy import PolicyBook
from backtest.replay import enforced, replay, rules_alone
from backtest.scenarios.catalogue import BUSINESSES
from backtest.scenarios.history import (
    HEALTHY_DAYS,
    START,
    Business,
    History,
    Incident,
    failing,
    healthy,
)
from detectors.flags import AUTOMATION, SUCCESS
from detectors.kernel.loop import BLOCKED
from detectors.line import Taken
from detectors.profiles import WATCHED
from detectors.times import micros

_DONE = SUCCESS | AUTOMATION
_YEAR = timedelta(days=HEALTHY_DAYS)


@dataclass(slots=True)
class Damage:
    """What an automation did: successful actions, the money they moved, the people they reached."""

    actions: int = 0
    usd: float = 0.0
    people: int = 0


@dataclass(frozen=True, slots=True)
class Caught:
    """One incident: `before` is what ran from its beginning up to the trip, `all_of` with no trip.

    `tripped` is None where nothing paused the workflow before the incident was over. `early` is
    True where it was paused before the incident began: then nothing was recognised.
    """

    incident: Incident
    seed: int
    tripped: datetime | None
    rule: str | None
    early: bool
    before: Damage
    all_of: Damage

    @property
    def missed(self) -> bool:
        """No trip, or one that had nothing to do with it."""
        return self.tripped is None or self.early

    @property
    def after_s(self) -> float | None:
        """Seconds from the beginning of the incident to the trip."""
        if self.tripped is None or self.early:
            return None
        return (self.tripped - self.incident.begins).total_seconds()


@dataclass(frozen=True, slots=True)
class Health:
    """One workflow in good health. `years` do not count the time for which it stood paused."""

    workflow: str
    seed: int
    years: float
    events: int
    false_trips: tuple[str, ...]  # the rule of each


@dataclass(frozen=True, slots=True)
class Scores:
    """All of it."""

    incidents: tuple[Caught, ...]
    healthy: tuple[Health, ...]
    unwatched: tuple[str, ...]  # workflows that no policy matches; they are not scored

    @property
    def missed(self) -> int:
        """Incidents that were not caught."""
        return sum(caught.missed for caught in self.incidents)

    @property
    def false_trips(self) -> int:
        """In healthy workflows, and before incidents began."""
        return sum(len(health.false_trips) for health in self.healthy) + sum(
            caught.early for caught in self.incidents
        )

    @property
    def healthy_years(self) -> float:
        """Workflow-years of good health, not counting those before incidents."""
        return sum(health.years for health in self.healthy)

    @property
    def met(self) -> bool:
        """No incident missed, and at most one false trip in ten healthy workflow-years."""
        few = self.false_trips * 10 <= self.healthy_years
        return bool(self.incidents) and not self.missed and few


def score(
    book: PolicyBook,
    seeds: Sequence[int],
    *,
    days: int = HEALTHY_DAYS,
    businesses: Sequence[Business] = BUSINESSES,
    progress: Callable[[int], None] = lambda _: None,
) -> Scores:
    """Run the rules of policies over the scenarios, trips taking effect. `mode: shadow` counts as
    enforce, and what `limits` would have held back counts as executed.

    Args:
        book: the policies.
        seeds: of the scenarios; each makes one incident and one healthy history a business.
        days: how long a healthy history is.
        businesses: the scenarios.
        progress: called with 1 after each history, two a business and seed.
    """
    book = rules_alone(enforced(book))
    watched = [business for business in businesses if _watches(book, business)]
    incidents: list[Caught] = []
    in_health: list[Health] = []
    for seed in seeds:
        for business in watched:
            in_health.append(_health(book, healthy(business, seed, days)))
            progress(1)
            incidents.append(_caught(book, failing(business, seed)))
            progress(1)
    unwatched = tuple(each.workflow for each in businesses if each not in watched)
    return Scores(tuple(incidents), tuple(in_health), unwatched)


def _watches(book: PolicyBook, business: Business) -> bool:
    place = book.find(business.workflow, business.automation, business.capability)
    return place is not None and book.policies[place].mode == "enforce"


def _judged(book: PolicyBook, history: History) -> Iterator[Taken]:
    return replay(book, (event.to_json() for event in history.events()), latch=True)


def _health(book: PolicyBook, history: History) -> Health:
    events, moves = 0, list[Command]()
    for taken in _judged(book, history):
        events += len(taken.columns.events)
        moves += taken.effects.commands
    end = START + timedelta(days=history.days)
    trips = tuple(str(move.reason.rule) for move in moves if move.state is State.OPEN)
    years = (timedelta(days=history.days) - _paused(moves, end)) / _YEAR
    return Health(history.business.workflow, history.seed, years, events, trips)


def _paused(moves: Sequence[Command], end: datetime) -> timedelta:
    """For how long the workflow stood still."""
    ends = [*(move.issued_at for move in moves[1:]), end]
    still = (
        max(until - move.issued_at, timedelta())
        for move, until in zip(moves, ends, strict=False)
        if move.state.refuses
    )
    return sum(still, timedelta())


def _caught(book: PolicyBook, history: History) -> Caught:
    label = history.incident
    assert label is not None
    trip: Command | None = None
    before, all_of = Damage(), Damage()
    for taken in _judged(book, history):
        opened = (move for move in taken.effects.commands if move.state is State.OPEN)
        trip = trip or next(opened, None)
        done = _done_since(taken, label.begins)
        _add(all_of, taken, done)
        until = np.inf if trip is None else micros(trip.issued_at)
        _add(
            before, taken, done & (taken.fates != BLOCKED) & (taken.columns.batch["time"] <= until)
        )
    early = trip is not None and trip.issued_at < label.begins
    return Caught(
        incident=label,
        seed=history.seed,
        tripped=trip.issued_at if trip else None,
        rule=trip.reason.rule if trip else None,
        early=early,
        before=before,
        all_of=all_of,
    )


def _done_since(taken: Taken, begins: datetime) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which events are successful actions of the automation, from `begins` on."""
    columns = taken.columns
    done = (columns.batch["flags"] & _DONE) == _DONE
    mine: np.ndarray[tuple[int], np.dtype[np.bool_]] = (
        done & (columns.kind == WATCHED) & (columns.batch["time"] >= micros(begins))
    )
    return mine


def _add(damage: Damage, taken: Taken, which: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
    for index in np.flatnonzero(which):
        event = taken.columns.events[index]
        damage.actions += 1
        damage.usd += event.value or 0.0
        damage.people += event.recipients or 0
