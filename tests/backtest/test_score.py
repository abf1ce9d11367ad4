from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import backtest.score
from andon.cli.commands import app
from andon.events import Capability
from andon.policy import PolicyBook
from andon.policy_file import load_presets, parse_policies
from backtest.scenarios.catalogue import BUSINESSES
from backtest.scenarios.history import DAY_S, HOUR_S, Act, Author, Business
from backtest.score import Scores, score
from backtest.scorecard import report, tables, verdict
from backtest.tables import markdown


def hourly(author: Author, day: int) -> Iterator[Act]:
    """A payment of $10 at each full hour."""
    for hour in range(24):
        yield author.act(day * DAY_S + hour * HOUR_S, "pay", f"{day}-{hour}", value=10)


def burst(author: Author, at_s: float) -> Iterator[Act]:
    """A payment of $100 each second, for a hundred seconds."""
    for second in range(1, 101):
        yield author.act(at_s + second, "pay", f"burst-{second}", value=100)


PAYMENTS = Business("payments", "agent", Capability.TRANSACT, "burst", hourly, burst)


def book(rule: str, more: str = "") -> PolicyBook:
    return parse_policies(
        f"version: 1\npolicies:\n  - name: p\n    rules: [{{name: r, {rule}}}]\n    {more}\n"
    )


def scored(policies: PolicyBook, days: int = 14) -> Scores:
    return score(policies, [1, 2], days=days, businesses=[PAYMENTS])


def test_counts_what_ran_from_the_beginning_up_to_the_trip() -> None:
    scores = scored(book("rate: volume, over: 1m, at_least: 10"))
    for caught in scores.incidents:
        assert (caught.missed, caught.early, caught.rule) == (False, False, "r")
        assert caught.after_s == pytest.approx(10, abs=1)
        assert caught.before.actions in (9, 10)  # a healthy payment may fall among them
        assert caught.before.usd == pytest.approx(100 * caught.before.actions, abs=90)
        assert caught.all_of.actions in (100, 101)
    assert (scores.missed, scores.false_trips, scores.met) == (0, 0, True)
    assert scores.healthy_years == pytest.approx(2 * 14 / 364)


def test_an_incident_without_a_trip_is_missed() -> None:
    scores = scored(book("rate: volume, over: 1m, at_least: 1000"))
    assert (scores.missed, scores.false_trips, scores.met) == (2, 0, False)
    for caught in scores.incidents:
        assert (caught.tripped, caught.after_s) == (None, None)
        assert caught.before == caught.all_of


def test_a_trip_before_the_incident_is_false_and_catches_nothing() -> None:
    scores = scored(book("rate: volume, over: 24h, at_least: 24"))
    assert all(caught.early and caught.missed for caught in scores.incidents)
    assert all(health.false_trips == ("r",) for health in scores.healthy)
    assert (scores.missed, scores.false_trips, scores.met) == (2, 4, False)


def test_time_that_a_workflow_stands_paused_is_not_health() -> None:
    day_s, rule = 1 / 364, "rate: volume, over: 24h, at_least: 24"
    (first, _) = scored(book(rule)).healthy
    assert first.years == pytest.approx(23 / 24 * day_s)

    again = "recover: {after: 24h, trial: {permits: 1, pass: 1}}"
    (first, _) = scored(book(rule, again)).healthy
    # The window passes away while it is paused; each time it runs for another day.
    assert len(first.false_trips) == 7
    assert first.years == pytest.approx(7 * day_s, rel=0.1)


def test_shadow_is_scored_as_if_enforced_and_off_is_not_watched() -> None:
    rule = "rate: volume, over: 1m, at_least: 10"
    assert report(scored(book(rule, "mode: shadow"))) == report(scored(book(rule)))
    off = scored(book(rule, "mode: off"))
    assert (off.incidents, off.unwatched, off.met) == ((), ("payments",), False)
    assert "not scored" in verdict(off)


def test_the_report_and_the_tables_agree() -> None:
    scores = scored(book("rate: volume, over: 1m, at_least: 10"))
    found: dict[str, Any] = json.loads(json.dumps(report(scores)))
    (scenario,) = found["scenarios"]
    incidents, health = tables(scores)
    assert scenario["without_andon"]["usd"] >= 10_000
    (row,) = incidents.rows
    assert row[:3] == ("burst", "0 of 2", "10 s")
    assert row[-1] == "r (2)"
    assert row[6] == "–", "nobody is reached by payments"
    assert health.rows == [("payments", "0.1", "672", "0", "0.00", "–")]
    lines = list(markdown(incidents))
    assert len({line.count("|") for line in lines}) == 1
    assert [run["seed"] for run in scenario["runs"]] == [1, 2]


def test_progress_is_told_after_each_history() -> None:
    told: list[None] = []
    score(
        book("rate: volume, over: 1m, at_least: 10"),
        [1, 2],
        days=1,
        businesses=[PAYMENTS],
        progress=told.append,
    )
    assert len(told) == 4


# --- the presets


@pytest.fixture(scope="module")
def presets() -> Scores:
    return score(load_presets(), [101, 102], days=28)


def test_the_presets_miss_no_incident(presets: Scores) -> None:
    assert len(presets.incidents) == 2 * len(BUSINESSES)
    assert [caught for caught in presets.incidents if caught.missed] == []


def test_the_presets_leave_health_alone(presets: Scores) -> None:
    assert [health for health in presets.healthy if health.false_trips] == []
    assert presets.met


def test_the_presets_stop_most_of_the_damage(presets: Scores) -> None:
    for caught in presets.incidents:
        assert caught.before.actions <= 0.35 * caught.all_of.actions, caught.incident.name


def test_the_documentation_shows_the_tables_of_the_command(presets: Scores) -> None:
    text = (Path(__file__).parents[2] / "docs" / "presets.md").read_text(encoding="utf-8")
    for table in tables(presets):
        heads, rule, *rows = markdown(table)
        assert f"{heads}\n{rule}\n" in text
        assert all(f"\n{row.partition(' | ')[0]} | " in text for row in rows)


# --- the command


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """One small business for a fortnight: what the command adds is what is tested."""
    monkeypatch.setattr(
        backtest.score.score,
        "__kwdefaults__",
        (backtest.score.score.__kwdefaults__ or {}) | {"days": 14, "businesses": [PAYMENTS]},
    )


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize(("at_least", "status"), [(10, 0), (1000, 1)])
def test_the_command_ends_with_the_verdict(tmp_path: Path, at_least: int, status: int) -> None:
    policy = tmp_path / "p.yaml"
    rule = f"{{name: r, rate: volume, over: 1m, at_least: {at_least}}}"
    policy.write_text(f"version: 1\npolicies: [{{name: p, rules: [{rule}]}}]\n")
    done = CliRunner().invoke(app, ["score", "--policy", str(policy), "--seeds", "1"])
    assert done.exit_code == status, done.output
    assert "| Incident | Missed |" in done.stdout
    assert done.stdout.rstrip().endswith("is met." if status == 0 else "is NOT met.")

    as_json = CliRunner().invoke(app, ["score", "--policy", str(policy), "--seeds", "1", "--json"])
    assert as_json.exit_code == status
    assert json.loads(as_json.stdout)["goal_met"] is (status == 0)


@pytest.mark.usefixtures("_small")
def test_the_command_takes_the_presets_where_no_policy_is_named() -> None:
    done = CliRunner().invoke(app, ["score", "--seeds", "1", "--json"])
    (scenario,) = json.loads(done.stdout)["scenarios"]
    assert scenario["runs"][0]["rule"] == "money-per-hour"


def test_a_policy_that_cannot_be_read_ends_with_2(tmp_path: Path) -> None:
    policy = tmp_path / "p.yaml"
    policy.write_text("version: 1\npolicies: [{name: p, extends: preset/pay}]\n")
    done = CliRunner().invoke(app, ["score", "--policy", str(policy)])
    assert done.exit_code == 2
    assert "use one of preset/send" in done.stderr
