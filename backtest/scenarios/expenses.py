"""Expense claims are checked in the travel portal, step by step, and approved there.

The incident: the approver approves whatever is there, the backlog first, a few seconds each.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from andon.events import Capability
from backtest.scenarios.history import Act, Author, Business
from backtest.scenarios.rhythm import OFFICE, WORKWEEK, steadily, times

CLAIMS_A_DAY = 25
MONTH_END = 2.5
"""So many times as many claims on the last days of a month."""
MEDIAN_USD, SPREAD, MOST_USD = 75.0, 0.9, 2_000.0
FAILED = 0.03
"""Portals are slow, and now and then a click finds nothing."""
SENT_BACK = 0.1
UNDONE = 0.01
PAGES = ("claim.open", "receipt.open", "policy.search", "receipt.open")


def healthy_day(author: Author, day: int) -> Iterator[Act]:
    """A healthy day."""
    dice = author.dice
    much = MONTH_END if day % 30 >= 27 else 1.0
    for at_s in times(dice, day, CLAIMS_A_DAY * much, OFFICE, WORKWEEK):
        claim = f"claim-{dice.randrange(10**9)}"
        seconds = iter(steadily(dice, at_s, 15, len(PAGES) + 1))
        for page in PAGES[: dice.randint(2, len(PAGES))]:
            yield author.act(next(seconds), page, claim, errors=FAILED, run=claim)
        if dice.random() < SENT_BACK:
            yield author.act(next(seconds), "claim.send_back", claim, errors=FAILED, run=claim)
        else:
            approved = _approve(author, next(seconds), claim, MEDIAN_USD, MOST_USD)
            yield approved
            yield from author.undone(approved, UNDONE)


def incident(author: Author, at_s: float) -> Iterator[Act]:
    """Claims of any size, approved unseen."""
    dice = author.dice
    for moment in steadily(dice, at_s, dice.uniform(20, 240), 150):
        claim = f"claim-{dice.randrange(10**9)}"
        yield _approve(author, moment, claim, 180.0, 9_000.0)


def _approve(author: Author, at_s: float, claim: str, median_usd: float, most_usd: float) -> Act:
    usd = round(min(author.dice.lognormvariate(math.log(median_usd), SPREAD), most_usd), 2)
    return author.act(at_s, "claim.approve", claim, errors=FAILED, value=usd, run=claim)


EXPENSES = Business(
    "expenses",
    "expense-agent",
    Capability.NAVIGATE,
    "expenses approved unseen",
    healthy_day,
    incident,
)
