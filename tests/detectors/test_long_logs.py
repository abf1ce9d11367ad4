"""The engine against the brute force on seeded logs that fill and empty its tables."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.engine import assert_agrees, engine_edges
from tests.eventlog import book, line
from tests.reference import rising_edges

UNDONE = {"rate": "reversal", "currency": "USD", "min": 3}
WATCHED = book(
    {"rate": "error", "over": "5m", "above": "15%", "min": 5},
    {"rate": "denied", "over": "1m", "above": "8%", "per": "target"},
    UNDONE | {"over": "10m", "above": "10%"},
    UNDONE | {"over": "5m", "at_least": "20%", "per": "target", "weigh": "value"},
    UNDONE | {"over": "1m", "above": "25%", "attribute": "arrival"},
    {"rate": "volume", "over": "1m", "at_least": 12},
    {"rate": "volume", "over": "1m", "above": 15, "of": "recipients", "per": "run"},
    {"rate": "value", "over": "5m", "at_least": 1200.5, "currency": "USD", "per": "automation"},
    {"rate": "duplicate", "over": "10m", "at_least": 3, "same": ["action", "target", "value"]},
    {"rate": "steps", "over": "5m", "above": 12},
)


def long_log(seed: int, events: int, workflows: int) -> Iterator[bytes]:
    """A busy day: names come and go; some events are copies, out of order, or late."""
    dice = random.Random(seed)
    at = 0.0
    for n in range(events):
        at += dice.expovariate(1 / 0.6)
        old = f"id-{max(0, n - int(dice.expovariate(1 / 80)))}"
        undoes = dice.random() < 0.1
        target = int(at / 300) * 5 + dice.randrange(12)
        yield line(
            event_id=old if dice.random() < 0.03 else f"id-{n}",
            at=round(at - (dice.expovariate(1 / 150) if dice.random() < 0.15 else 0), 3),
            workflow=f"refunds-{dice.randrange(workflows)}",
            automation=f"agent-{dice.randrange(3)}",
            target=dice.choice([None, *[f"ch_{target}"] * 9]),
            outcome=dice.choices(["success", "error", "denied"], [85, 10, 5])[0],
            value=dice.choice([None, 5, 12.34, 99.99, round(dice.lognormvariate(3, 1), 2)]),
            currency=dice.choice(["USD", "USD", "EUR"]),
            recipients=dice.choice([None, 1, 5]),
            reverses=old if undoes else None,
            by=dice.choice(["human", "system"]) if undoes else "automation",
            run=f"run-{n // 40}",
            mode="shadow" if dice.random() < 0.02 else "live",
        )


@pytest.mark.parametrize(
    ("seed", "workflows"), [(1, 1), (2, 4), (3, 150)], ids=["one", "few", "many"]
)
def test_long_logs(seed: int, workflows: int) -> None:
    log = list(long_log(seed, events=4000, workflows=workflows))
    expected = rising_edges(WATCHED, log)
    assert len(expected) > 50
    whole = engine_edges(WATCHED, log)
    assert_agrees(whole, expected)
    dice = random.Random(seed)
    assert engine_edges(WATCHED, log, dice.sample(range(1, 4000), 60)) == whole
