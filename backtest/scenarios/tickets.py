"""Customers' questions are looked up, answered and, where that helped, resolved.

The incident: it resolves whatever is open, answered or not.
"""

from __future__ import annotations

from collections.abc import Iterator

from andon.events import Capability
from backtest.scenarios.history import Act, Author, Business
from backtest.scenarios.rhythm import EVERY_DAY, SHOP, steadily, times

TICKETS_A_DAY = 90
RESOLVED = 0.6
"""The others go to a person."""
FAILED = 0.02
REOPENED = 0.03
"""The share of resolutions that a person takes back."""
OPEN_TICKETS = 400


def healthy_day(author: Author, day: int) -> Iterator[Act]:
    """A healthy day."""
    dice = author.dice
    for at_s in times(dice, day, TICKETS_A_DAY, SHOP, EVERY_DAY):
        ticket = f"ticket-{dice.randrange(10**9)}"
        last = "ticket.resolve" if dice.random() < RESOLVED else "ticket.hand_over"
        actions = (*("order.search",) * dice.randint(1, 4), "reply.send", last)
        for moment, action in zip(steadily(dice, at_s, 8, 6), actions, strict=False):
            done = author.act(moment, action, ticket, errors=FAILED, run=ticket)
            yield done
            if action == "ticket.resolve":
                yield from author.undone(done, REOPENED)


def incident(author: Author, at_s: float) -> Iterator[Act]:
    """Ticket after ticket is closed."""
    dice = author.dice
    for moment in steadily(dice, at_s, dice.uniform(4, 90), OPEN_TICKETS):
        ticket = f"ticket-{dice.randrange(10**9)}"
        yield author.act(moment, "ticket.resolve", ticket, errors=FAILED, run=ticket)


TICKETS = Business(
    "tickets", "support-agent", Capability.LOOP, "tickets resolved unread", healthy_day, incident
)
