"""The night an AI agent refunded $47,000: three healthy days, eight hours of trouble, a morning.

The firm meant the agent to draft refunds for a person to approve, and gave it the tool that pays
them out. By day nobody notices. From 22:00 on the reply that goes out with each refund is filed
as a new message, reopens its complaint, and the agent refunds it again, ever faster, until the
first clerk comes in.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from andon.events import Capability, Event, Outcome
from andon.ids import derived_id

WORKFLOW = "refunds"
AUTOMATION = "refund-agent"
ACTION = "refund.create"
CURRENCY = "USD"

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
OPENS_H = 22
"""The hour of the day at which the scenario begins and, days later, the night does."""
HEALTHY_DAYS = 3
NIGHT_S = 8 * HOUR_S
MORNING_S = 4 * HOUR_S
NIGHT_FROM_S = HEALTHY_DAYS * DAY_S
NIGHT_TO_S = NIGHT_FROM_S + NIGHT_S
END_S = NIGHT_TO_S + MORNING_S

NIGHT_USD = 47_000.0
REFUNDS_A_DAY = 160
HOURLY = (2, 1, 1, 1, 1, 2, 4, 7, 10, 12, 12, 11, 10, 11, 12, 12, 11, 10, 9, 9, 8, 6, 4, 3)
"""How refunds spread over the hours of a healthy day, midnight first."""
MEDIAN_USD, SPREAD, LEAST_USD, MOST_USD = 32.0, 0.75, 4.0, 600.0
PAID_TWICE = 0.005
"""The share of healthy refunds that goes out a second time by accident; a clerk takes it back."""
REGRETTED = 0.008
"""The share of other healthy refunds that a clerk takes back."""
AGAIN = 0.6
"""The share of the night's refunds whose charge was refunded before."""
RAMP_S, PACE_AT_FIRST = 2 * HOUR_S, 0.25
"""The night's pace rises from a quarter to the whole in its first two hours."""
TAKEN_BACK = 0.9
"""The share of the night's repetitions that clerks take back in the morning."""


@dataclass(frozen=True, slots=True)
class Refund:
    """The agent asks to pay out. `at_s` counts from the start; `again`: it was paid before."""

    at_s: float
    complaint: str
    charge: str
    amount_usd: float
    again: bool = False


@dataclass(frozen=True, slots=True)
class Undo:
    """A clerk takes back the refund at that place in `Scenario.refunds`."""

    at_s: float
    refund: int
    reason: str


Step = tuple[int, Refund] | tuple[int, Undo]
"""What happens next, with its place among its kind."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What would happen without Andon, in order of time. Times in seconds from the start."""

    seed: int
    refunds: tuple[Refund, ...]
    undos: tuple[Undo, ...]

    @property
    def night(self) -> tuple[Refund, ...]:
        """The refunds of the night."""
        return tuple(refund for refund in self.refunds if refund.at_s >= NIGHT_FROM_S)

    def steps(self) -> list[Step]:
        """Refunds and undos, by time."""
        refunds: list[Step] = list(enumerate(self.refunds))
        return sorted([*refunds, *enumerate(self.undos)], key=lambda step: step[1].at_s)

    def events(self, start: datetime) -> Iterator[Event]:
        """The log that this leaves where nothing stops the agent; same seed, same ids."""
        for place, step in self.steps():
            kind = type(step).__name__
            refund = self.refunds[step.refund] if isinstance(step, Undo) else step
            undoing = (
                {"reverses": self._id("Refund", step.refund), "by": "human", "reason": step.reason}
                if isinstance(step, Undo)
                else {}
            )
            yield Event.model_validate(
                {
                    "event_id": self._id(kind, place),
                    "ts": start + timedelta(seconds=step.at_s),
                    "workflow": WORKFLOW,
                    "automation": AUTOMATION,
                    "capability": Capability.TRANSACT,
                    "action": ACTION,
                    "target": refund.charge,
                    "outcome": Outcome.SUCCESS,
                    "value": refund.amount_usd,
                    "currency": CURRENCY,
                }
                | undoing
            )

    def _id(self, kind: str, place: int) -> str:
        return derived_id("refund-night", self.seed, kind, place)


def refund_night(seed: int) -> Scenario:
    """The scenario of a seed: always the same, and about $47,000 in its night."""
    dice = random.Random(seed)
    healthy = [refund for day in range(HEALTHY_DAYS) for refund in _healthy_day(dice, day)]
    refunds = sorted(healthy, key=_time) + _night(dice, healthy)
    undos = [undo for place, refund in enumerate(refunds) for undo in _undone(dice, place, refund)]
    return Scenario(seed, tuple(refunds), tuple(sorted(undos, key=_time)))


def _healthy_day(dice: random.Random, day: int) -> Iterator[Refund]:
    """From 22:00 to 22:00."""
    count = round(dice.gauss(REFUNDS_A_DAY, REFUNDS_A_DAY / 20))
    for hour in dice.choices(range(24), HOURLY, k=count):
        refund = _new(dice, day * DAY_S + ((hour - OPENS_H) % 24 + dice.random()) * HOUR_S)
        yield refund
        if dice.random() < PAID_TWICE:
            yield replace(refund, at_s=refund.at_s + dice.uniform(20, 300), again=True)


def _night(dice: random.Random, healthy: list[Refund]) -> list[Refund]:
    """Refunds until the sum is reached, spread over the night."""
    paid = [refund for refund in healthy if refund.at_s >= NIGHT_FROM_S - DAY_S]
    night: list[Refund] = []
    total_usd = 0.0
    while total_usd < NIGHT_USD:
        again = dice.random() < AGAIN
        night.append(replace(dice.choice(paid), again=True) if again else _new(dice))
        paid.append(night[-1])
        total_usd += night[-1].amount_usd
    times = sorted(NIGHT_FROM_S + _ramped(dice) for _ in night)
    return [replace(refund, at_s=at_s) for refund, at_s in zip(night, times, strict=True)]


def _new(dice: random.Random, at_s: float = 0.0) -> Refund:
    usd = dice.lognormvariate(math.log(MEDIAN_USD), SPREAD)
    return Refund(
        at_s=at_s,
        complaint=f"C-{dice.randrange(10**6):06}",
        charge=f"ch_{dice.getrandbits(40):010x}",
        amount_usd=round(min(max(usd, LEAST_USD), MOST_USD), 2),
    )


def _ramped(dice: random.Random) -> float:
    """Seconds into the night: rare at first, then ever denser, then steady."""
    while True:
        at_s = dice.uniform(0, NIGHT_S)
        if dice.random() < PACE_AT_FIRST + (1 - PACE_AT_FIRST) * at_s / RAMP_S:
            return at_s


def _undone(dice: random.Random, place: int, refund: Refund) -> Iterator[Undo]:
    if refund.at_s >= NIGHT_FROM_S:
        if refund.again and dice.random() < TAKEN_BACK:
            at_s = NIGHT_TO_S + dice.uniform(HOUR_S, MORNING_S)
            yield Undo(at_s, place, "refunded before, found in the morning")
    elif refund.again:
        yield Undo(_in_office(dice, refund.at_s), place, "refunded twice")
    elif dice.random() < REGRETTED:
        yield Undo(_in_office(dice, refund.at_s), place, "the goods came back used")


def _in_office(dice: random.Random, at_s: float) -> float:
    """Some hours later, and not before 08:00 or after 18:00."""
    at_s += dice.uniform(2, 8) * HOUR_S
    hour = (at_s / HOUR_S + OPENS_H) % 24
    wait_h = 0.0 if 8 <= hour <= 18 else (8 - hour) % 24 + dice.random()
    return at_s + wait_h * HOUR_S


def _time(step: Refund | Undo) -> float:
    return step.at_s
