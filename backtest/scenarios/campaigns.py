"""A shop writes to its customers: receipts all day, a few campaigns a week, launches now and then.

The incident: asked for the customers of one shop, it takes the whole address book, and sends in
portions that no review would stop.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from andon.events import Capability
from backtest.scenarios.history import HOUR_S, Act, Author, Business
from backtest.scenarios.rhythm import EVERY_DAY, OFFICE, SHOP, WORKWEEK, poisson, steadily, times

CUSTOMERS = 5_000
RECEIPTS_A_DAY = 150
BOUNCED = 0.02
CAMPAIGNS_A_DAY = 0.7
AUDIENCE_MEDIAN, AUDIENCE_MAX = 450, 1_000
RECALLED = 0.01
"""The share of campaigns that are followed by a correction."""
LAUNCHES_A_DAY = 1 / 30
LAUNCH_SEGMENTS = 4
WRONG_PEOPLE = 48_000


def healthy_day(author: Author, day: int) -> Iterator[Act]:
    """A healthy day."""
    dice = author.dice
    for at_s in times(dice, day, RECEIPTS_A_DAY, SHOP, EVERY_DAY):
        customer = f"customer-{dice.randrange(CUSTOMERS)}"
        yield author.act(at_s, "mail.receipt", customer, errors=BOUNCED, recipients=1)
    for at_s in times(dice, day, CAMPAIGNS_A_DAY, OFFICE, WORKWEEK):
        yield from _campaign(author, at_s)
    if day % 7 < 5 and poisson(dice, LAUNCHES_A_DAY):
        (at_s,) = dice.choices(times(dice, day, 20, OFFICE, WORKWEEK) or [0.0])
        for moment in steadily(dice, at_s, 600, LAUNCH_SEGMENTS if at_s else 0):
            yield from _campaign(author, moment)


def incident(author: Author, at_s: float) -> Iterator[Act]:
    """The whole address book, portion by portion."""
    portion = author.dice.randrange(200, 1000, 100)
    pause_s = author.dice.uniform(10, 120)
    moments = steadily(author.dice, at_s, pause_s, math.ceil(WRONG_PEOPLE / portion))
    for place, moment in enumerate(moments):
        yield author.act(
            moment, "mail.campaign", f"all-contacts/{place}", errors=0.01, recipients=portion
        )


def _campaign(author: Author, at_s: float) -> Iterator[Act]:
    dice = author.dice
    people = min(round(dice.lognormvariate(math.log(AUDIENCE_MEDIAN), 0.6)), AUDIENCE_MAX)
    segment = f"segment-{dice.randrange(30)}"
    sent = author.act(at_s, "mail.campaign", segment, errors=0.01, recipients=people)
    yield sent
    if dice.random() < RECALLED:
        yield author.undo(sent, at_s + dice.uniform(0.2, 3) * HOUR_S, action="mail.correction")


CAMPAIGNS = Business(
    "campaigns",
    "campaign-agent",
    Capability.SEND,
    "wrong-recipient bulk send",
    healthy_day,
    incident,
)
