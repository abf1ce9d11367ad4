"""Services are deployed when their tests pass, and rolled back when they do not do well.

The incident: a version that cannot start. It is deployed, rolled back, and deployed again.
"""

from __future__ import annotations

from collections.abc import Iterator

from andon.events import Capability, Outcome
from backtest.scenarios.history import HOUR_S, Act, Author, Business
from backtest.scenarios.rhythm import OFFICE, WORKWEEK, poisson, steadily, times

SERVICES = 8
DEPLOYS_A_DAY = 14
RELEASES_A_DAY = 1 / 10
RELEASE = 15
"""More deploys, within two hours, on the day of a release."""
FAILED = 0.06
ROLLED_BACK = 0.06
"""By the automation, within the hour: a good team's share of changes that fail."""
TAKEN_BACK = 0.02
"""By people, later."""
ROUNDS = 60


def healthy_day(author: Author, day: int) -> Iterator[Act]:
    """A healthy day."""
    dice = author.dice
    moments = times(dice, day, DEPLOYS_A_DAY, OFFICE, WORKWEEK)
    if moments and day % 7 < 4 and poisson(dice, RELEASES_A_DAY):
        moments += steadily(dice, dice.choice(moments), 2 * HOUR_S / RELEASE, RELEASE)
    for at_s in moments:
        yield from _deploy(author, at_s, f"service-{dice.randrange(SERVICES)}")


def incident(author: Author, at_s: float) -> Iterator[Act]:
    """Round after round, until somebody comes."""
    dice = author.dice
    service, round_s = f"service-{dice.randrange(SERVICES)}", dice.uniform(5, 25) * 60
    for moment in steadily(dice, at_s, round_s, ROUNDS):
        bad = author.act(moment, "deploy.start", service)
        yield bad
        yield _rollback(author, bad, moment + dice.uniform(0.1, 0.4) * round_s)


def _deploy(author: Author, at_s: float, service: str) -> Iterator[Act]:
    """A deploy; what was rolled back comes again, mended, once the cause is found."""
    dice = author.dice
    done = author.act(at_s, "deploy.start", service, errors=FAILED)
    yield done
    if done.fields["outcome"] is Outcome.SUCCESS and dice.random() < ROLLED_BACK:
        back_s = at_s + dice.uniform(3, 50) * 60
        yield _rollback(author, done, back_s)
        yield from _deploy(author, back_s + dice.uniform(0.3, 3) * HOUR_S, service)
    else:
        yield from author.undone(done, TAKEN_BACK)


def _rollback(author: Author, deploy: Act, at_s: float) -> Act:
    return author.undo(deploy, at_s, by="automation", action="deploy.rollback")


DEPLOYS = Business(
    "deploys", "deploy-agent", Capability.TRIGGER, "bad deploy rolled back again and again",
    healthy_day, incident,
)  # fmt: skip
