"""What the demo knows of its run: numbers, and news as lines. Told by the topics and the pager."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from andon.alert_text import finding
from andon.commands import Ack, Alert, Command
from andon.events import By, Event, Mode, Outcome
from backtest.scenarios.refund_night import (
    DAY_S,
    HEALTHY_DAYS,
    HOUR_S,
    NIGHT_FROM_S,
    NIGHT_S,
    NIGHT_TO_S,
    Scenario,
)

Tone = Literal["plain", "quiet", "good", "bad"]
"""Quiet is what a live view shows anyway."""


class News(NamedTuple):
    """One thing that happened; `ts` is simulated time, None before and after it."""

    ts: datetime | None
    text: str
    tone: Tone = "plain"


class Paid(NamedTuple):
    """One refund that was executed."""

    ts: datetime
    usd: float


@dataclass
class Money:
    """Refunds: paid, refused by the guard, taken back by clerks."""

    paid: int = 0
    paid_usd: float = 0.0
    refused: int = 0
    refused_usd: float = 0.0
    undone: int = 0

    def add(self, event: Event) -> None:
        """Enter one event."""
        usd = event.value or 0.0
        if event.by is By.HUMAN:
            self.undone += 1
        elif event.outcome is Outcome.SUCCESS:
            self.paid += 1
            self.paid_usd += usd
        elif event.outcome is Outcome.DENIED:
            self.refused += 1
            self.refused_usd += usd


class Story:
    """One run of a scenario that began at `start`. Each `take_…` hears a thing once."""

    def __init__(self, scenario: Scenario, start: datetime) -> None:
        self.scenario = scenario
        self.start = start
        self.at_s = 0.0
        """How far simulated time has come, in seconds since the start."""
        self.whole = Money()
        self.night = Money()
        self.hours: defaultdict[int, Money] = defaultdict(Money)
        self.night_paid: list[Paid] = []
        self.trip: Command | None = None
        self.acks: dict[str, Ack] = {}
        self.alerts: dict[str, Alert] = {}
        self.news: list[News] = []
        self._known: set[str] = set()
        self._day = Money()
        self._recent: deque[tuple[float, tuple[str | None, float | None]]] = deque()

    def moment(self, at_s: float) -> datetime:
        """Simulated time, so many seconds after the start."""
        return self.start + timedelta(seconds=at_s)

    @property
    def now(self) -> datetime | None:
        """Simulated time; None before it began."""
        return self.moment(self.at_s) if self.at_s else None

    @property
    def night_from(self) -> datetime:
        return self.moment(NIGHT_FROM_S)

    @property
    def night_to(self) -> datetime:
        return self.moment(NIGHT_TO_S)

    @property
    def after_trip(self) -> list[Paid]:
        """Refunds that were executed later than the pause was commanded."""
        return [paid for paid in self.night_paid if self.trip and paid.ts > self.trip.issued_at]

    @property
    def night_without_usd(self) -> float:
        """Dollars that would be out tonight by now, had nothing stopped the agent."""
        return sum(
            refund.amount_usd for refund in self.scenario.night if refund.at_s < self.at_s + 0.001
        )

    @property
    def most_repeated(self) -> int:
        """How often the refund that was paid most often within a day was paid."""
        while self._recent and self._recent[0][0] <= self.at_s - DAY_S:
            self._recent.popleft()
        return max(Counter(refund for _, refund in self._recent).values(), default=0)

    def say(self, text: str, tone: Tone = "plain", ts: datetime | None = None) -> None:
        """Add to the news."""
        self.news.append(News(ts, text, tone))

    def take_event(self, event: Event) -> None:
        """The next event of the log; a guard may deliver one twice."""
        if event.mode is not Mode.LIVE or event.event_id in self._known:
            return
        self._known.add(event.event_id)
        self._pass_to((event.ts - self.start).total_seconds())
        for money in (self.whole, self._day, self.hours[int(self.at_s // HOUR_S)]):
            money.add(event)
        if event.outcome is Outcome.SUCCESS and event.by is By.AUTOMATION:
            self._recent.append((self.at_s, (event.target, event.value)))
        if NIGHT_FROM_S <= self.at_s < NIGHT_TO_S:
            self.night.add(event)
            if event.outcome is Outcome.SUCCESS and event.by is By.AUTOMATION:
                self.night_paid.append(Paid(event.ts, event.value or 0.0))

    def take_command(self, command: Command) -> None:
        """A command; the first that pauses is the trip."""
        if self.trip is None and command.state.refuses:
            self.trip = command
            why = finding(command.reason) or command.reason.text
            self.say(f"PAUSED by {command.reason.rule}: {why}", "bad", command.issued_at)

    def take_ack(self, ack: Ack) -> None:
        """A guard obeys."""
        if ack.guard not in self.acks:
            self.acks[ack.guard] = ack
            text = f"The agent's guard obeys; refunds under way: {ack.in_flight}"
            self.say(text, "good", ack.applied_at)

    def take_alert(self, alert: Alert) -> None:
        """The pager rings."""
        if alert.alert_id not in self.alerts:
            self.alerts[alert.alert_id] = alert
            self.say(f"The pager rings, signature good: {alert.title}", "bad", self.now)

    def _pass_to(self, at_s: float) -> None:
        """Tell what is due on the way: each healthy day, each hour of the night."""
        for hour in range(int(self.at_s // HOUR_S) + 1, int(at_s // HOUR_S) + 1):
            if text := self._due(hour * HOUR_S):
                tone: Tone = "plain" if hour * HOUR_S <= NIGHT_FROM_S else "quiet"
                self.say(text, tone, self.moment(hour * HOUR_S))
            if hour * HOUR_S == NIGHT_FROM_S:
                self.say("The night begins: replies reopen complaints", ts=self.night_from)
        self.at_s = at_s

    def _due(self, at_s: float) -> str | None:
        if at_s <= NIGHT_FROM_S and at_s % DAY_S == 0:
            day, self._day = self._day, Money()
            return (
                f"Healthy day {at_s / DAY_S:.0f} of {HEALTHY_DAYS} is over: {day.paid} refunds, "
                f"${day.paid_usd:,.0f}; {day.undone} taken back"
            )
        if NIGHT_FROM_S < at_s <= NIGHT_TO_S:
            night = self.night
            refused = f"; {night.refused} refused" if night.refused else ""
            hour = f"Hour {(at_s - NIGHT_FROM_S) / HOUR_S:.0f} of {NIGHT_S / HOUR_S:.0f} is over"
            return f"{hour}: {night.paid} refunds, ${night.paid_usd:,.0f}{refused}"
        return None
