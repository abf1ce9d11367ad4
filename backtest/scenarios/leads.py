"""Sales leads are enriched, scored and given to the right person, each in a run of a few steps.

The incident: two routing rules contradict each other. Each hands its leads to the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from andon.events import Capability
from backtest.scenarios.history import Act, Author, Business
from backtest.scenarios.rhythm import OFFICE, WORKWEEK, poisson, steadily, times

LEADS_A_DAY = 70
FAIRS_A_DAY = 1 / 15
"""Days on which a trade fair's visiting cards come in, 40 to 80 within about two hours."""
FAILED = 0.015
GIVEN_ELSEWHERE = 0.04
"""The share of assignments that a person changes."""
STEPS = ("lead.enrich", "company.search", "lead.score", "lead.assign", "owner.notify")


def healthy_day(author: Author, day: int) -> Iterator[Act]:
    """A healthy day."""
    dice = author.dice
    moments = times(dice, day, LEADS_A_DAY, OFFICE, WORKWEEK)
    if moments and day % 7 < 5 and poisson(dice, FAIRS_A_DAY):
        moments += steadily(dice, dice.choice(moments), 120, dice.randint(40, 80))
    for at_s in moments:
        for done in _run(author, at_s, f"lead-{dice.randrange(10**9)}"):
            yield done
            if done.fields["action"] == "lead.assign":
                yield from author.undone(done, GIVEN_ELSEWHERE)


def incident(author: Author, at_s: float) -> Iterator[Act]:
    """Leads go to and fro, each at its own pace, for some hours."""
    dice = author.dice
    for place in range(dice.randint(3, 40)):
        for moment in steadily(dice, at_s, dice.uniform(30, 150), 60):
            yield from _run(author, moment, f"stuck-{place}")


def _run(author: Author, at_s: float, lead: str) -> Iterator[Act]:
    run = f"{lead}/{author.dice.randrange(10**9)}"
    seconds = steadily(author.dice, at_s, 3, len(STEPS))
    for step, (moment, action) in enumerate(zip(seconds, STEPS, strict=True)):
        yield author.act(moment, action, lead, errors=FAILED, run=run, step=step)


LEADS = Business(
    "leads", "lead-router", Capability.LOOP, "lead-routing loop", healthy_day, incident
)
