"""Customer records are kept in order: updates, duplicates merged, what is asked to be deleted.

The incident: asked to merge duplicates, it deletes both.
"""

from __future__ import annotations

from collections.abc import Iterator

from andon.events import Capability
from backtest.scenarios.history import Act, Author, Business
from backtest.scenarios.rhythm import OFFICE, WORKWEEK, poisson, steadily, times

RECORDS = 20_000
UPDATES_A_DAY = 180
MERGES_A_DAY = 15
DELETIONS_A_DAY = 6
FAILED = 0.015
UNDONE = 0.008
IMPORTS_A_DAY = 1 / 12
TIDYINGS_A_DAY = 1 / 25


def healthy_day(author: Author, day: int) -> Iterator[Act]:
    """A healthy day."""
    dice = author.dice
    moments = [
        *((at_s, "record.update") for at_s in times(dice, day, UPDATES_A_DAY, OFFICE, WORKWEEK)),
        *((at_s, "record.merge") for at_s in times(dice, day, MERGES_A_DAY, OFFICE, WORKWEEK)),
        *((at_s, "record.delete") for at_s in times(dice, day, DELETIONS_A_DAY, OFFICE, WORKWEEK)),
        *_burst(author, day, IMPORTS_A_DAY, "record.update", (100, 250), 10),
        *_burst(author, day, TIDYINGS_A_DAY, "record.delete", (8, 16), 120),
    ]
    for at_s, action in moments:
        done = author.act(at_s, action, f"record-{dice.randrange(RECORDS)}", errors=FAILED)
        yield done
        yield from author.undone(done, UNDONE)


def incident(author: Author, at_s: float) -> Iterator[Act]:
    """Record after record is deleted."""
    pause_s = author.dice.uniform(1, 60)
    for place, moment in enumerate(steadily(author.dice, at_s, pause_s, 1_200)):
        yield author.act(moment, "record.delete", f"record-{place}", errors=FAILED)


def _burst(
    author: Author, day: int, per_day: float, action: str, size: tuple[int, int], pause_s: float
) -> Iterator[tuple[float, str]]:
    dice = author.dice
    if day % 7 < 5 and poisson(dice, per_day):
        for at_s in times(dice, day, 1, OFFICE, WORKWEEK)[:1]:
            count = dice.randint(*size)
            yield from ((moment, action) for moment in steadily(dice, at_s, pause_s, count))


RECORDS_KEEPER = Business(
    "records", "records-agent", Capability.UPDATE, "deleted records", healthy_day, incident
)
