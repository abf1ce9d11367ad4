"""Only `above: 4x usual`, where nobody wrote a limit: through the backtest, trips in effect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from andon.cli.commands import app
from andon.events import Capability
from backtest.replay import replay
from backtest.scenarios.history import DAY_S, HOUR_S, Act, Author, Business
from backtest.scenarios.rhythm import OFFICE, SHOP, WORKWEEK, times
from backtest.score import Scores, score
from tests.detectors.newsletter import REACH, TUESDAY, WEEK, WEEKS_6, daily, send
from tests.eventlog import book

NOBODY_WROTE_A_LIMIT = book(REACH)


def day(author: Author, number: int) -> Iterator[Act]:
    """Receipts as customers come, and on working days a newsletter to some 500 people."""
    for at_s in times(author.dice, number, 80, SHOP, (1.0,) * 7):
        yield author.act(at_s, "mail.receipt", "customer", recipients=1)
    if number % 7 < 5:
        at_s = number * DAY_S + author.dice.uniform(9.5, 10.5) * HOUR_S
        yield author.act(at_s, "mail.news", "list", recipients=author.dice.randint(400, 600))
    for at_s in times(author.dice, number, 3, OFFICE, WORKWEEK):
        yield author.act(at_s, "mail.reminder", "some", recipients=author.dice.randint(1, 60))


def everybody(author: Author, at_s: float) -> Iterator[Act]:
    """50,000 people at once, and again every quarter of an hour."""
    for again in range(8):
        yield author.act(at_s + again * 900, "mail.news", "everybody", recipients=50_000)


NEWS = Business("news", "mailer", Capability.SEND, "wrong list", day, everybody)


@pytest.fixture(scope="module")
def scores() -> Scores:
    return score(NOBODY_WROTE_A_LIMIT, [1, 2, 3], days=182, businesses=[NEWS])


def test_every_wrong_send_is_the_last(scores: Scores) -> None:
    for caught in scores.incidents:
        assert (caught.missed, caught.rule) == (False, "rule-0")
        assert 50_000 <= caught.before.people < 51_000
        assert caught.all_of.people >= 400_000


def test_half_a_year_of_days_nights_and_weekends_crosses_nothing(scores: Scores) -> None:
    assert [health.false_trips for health in scores.healthy] == [()] * 3
    assert scores.healthy_years == pytest.approx(1.5)


def test_the_same_bound_in_numbers_would_have_done_either_too_little_or_too_much() -> None:
    """What a fixed limit has to let pass at ten in the morning is a lot at three at night."""
    nights = [send(6 * WEEK + TUESDAY + 3 + n / 60, 40) for n in range(30)]
    reach = {**REACH, "floor": 100}
    for rule, crossings in ((reach, 1), ({**REACH, "above": 2000}, 0)):
        taken = replay(book(rule), [*daily(range(43)), *nights])
        assert sum(len(each.effects.detections) for each in taken) == crossings


def test_the_command_says_what_was_usual(tmp_path: Path) -> None:
    log, policy = tmp_path / "log.jsonl", tmp_path / "p.yaml"
    log.write_bytes(b"\n".join([*WEEKS_6, send(6 * WEEK + TUESDAY + 14, 50_000)]))
    policy.write_text(
        "version: 1\npolicies:\n  - name: mail\n    rules:\n"
        "      - {name: reach, rate: volume, of: recipients, over: 1h, above: 4x usual}\n"
    )
    done = CliRunner().invoke(app, ["backtest", "--policy", str(policy), str(log)])
    assert done.exit_code == 0
    (edge,) = map(json.loads, done.stdout.splitlines())
    assert (edge["observed"], edge["bound"]) == (50_000, 2000)
    assert edge["usual"] == {
        "level": 500,
        "factor": 4,
        "floor": 1000,
        "taken_from": "hour of the week",
        "samples": 5,
        "hour": "Tuesday 14:00",
    }
