"""`andon tune`: bounds from history, whatever went wrong in it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.events import format_ts
from andon.policy import PolicyBook, Rule
from andon.policy_file import load_presets, parse_policies
from andon.policy_text import policy_text
from backtest import bounds
from backtest.drafts import DraftError, draft
from backtest.readings import Readings
from backtest.replay import batches, replay
from backtest.scenarios.refund_night import NIGHT_FROM_S, refund_night
from backtest.tune import BLOCK_US, DAY_US, TuneError, Tuning, quiet, tune
from tests.detectors.logs import books
from tests.eventlog import START, book, book_of, line

ROOT = Path(__file__).parents[2]
HOUR_S, DAY_S = 3600.0, 86_400.0
VOLUME = {"name": "an-hour", "rate": "volume", "over": "1h", "at_least": 10_000}
ERRORS = {"name": "errors", "rate": "error", "over": "24h", "above": "99%", "min": 20}
MONEY = {"name": "money", "rate": "value", "over": "1h", "above": 1e9, "currency": "USD"}


def days(number: int, seed: int = 1, workflow: str = "refunds", start: int = 0) -> list[bytes]:
    """So many days of 40 refunds each, 2% of which fail."""
    dice = random.Random(seed)
    return [
        line(
            f"{workflow}-{seed}-{day}-{n}",
            day * DAY_S + n * DAY_S / 40 + dice.uniform(0, 1800),
            workflow=workflow,
            outcome="error" if dice.random() < 0.02 else "success",
            value=round(dice.uniform(5, 50), 2),
            currency="USD",
        )
        for day in range(start, start + number)
        for n in range(40)
    ]


def flood(day: float, number: int = 600, workflow: str = "refunds", **fields: Any) -> list[bytes]:
    """So many within three hours of one day, half of which fail."""
    return [
        line(
            f"flood-{workflow}-{day}-{n}",
            day * DAY_S + n * 3 * HOUR_S / number,
            workflow=workflow,
            outcome="error" if n % 2 else "success",
            value=100,
            currency="USD",
        )
        for n in range(number)
    ]


def merged(*logs: Iterable[bytes]) -> list[bytes]:
    return sorted((raw for log in logs for raw in log), key=lambda raw: json.loads(raw)["ts"])


def tuned(policies: PolicyBook, log: list[bytes], margin: float = 2.0) -> Tuning:
    readings = Readings(quiet(policies), BLOCK_US, levels=True)
    for records in batches(log):
        readings.take(records)
    return tune(readings, margin)


def bounds_of(tuning: Tuning) -> dict[str, float]:
    return {one.rule.name: one.rule.bound for one in tuning.proposals}


# --- what is usual -----------------------------------------------------------------------------


@pytest.mark.parametrize("day", [3.5, 20.2, 39.4])
def test_an_incident_does_not_raise_the_bounds_and_trips_them(day: int) -> None:
    policies, health = book(VOLUME, ERRORS, MONEY), days(40)
    calm, rough = tuned(policies, health), tuned(policies, merged(health, flood(day)))
    for rule, usual in bounds_of(calm).items():
        assert bounds_of(rough)[rule] <= 1.1 * usual
    assert {one.rule.name for one in rough.proposals if one.found and one.found.apart} == {
        "an-hour",
        "errors",
        "money",
    }
    log = merged(health, flood(day))
    found = [edge for taken in replay(rough.book, log) for edge in taken.effects.detections]
    assert {edge.rule.name for edge in found} == {"an-hour", "errors", "money"}
    # The window of 24 h stays bad for a day.
    assert all(day <= (edge.ts_us / 1e6 - START.timestamp()) / DAY_S < day + 1.2 for edge in found)


def test_what_comes_back_is_usual() -> None:
    weekly = [flood(day + 0.4, 200) for day in range(0, 42, 7)]
    log = merged(days(42), *weekly)
    [one] = tuned(book(VOLUME), log).proposals
    assert one.found
    assert one.found.apart == []
    assert not [edge for taken in replay(book(VOLUME), log) for edge in taken.effects.detections]
    assert one.rule.bound > 70


def test_each_workflow_has_its_own_usual() -> None:
    small = days(40, seed=2, workflow="refunds-small")
    large = merged(*(days(40, seed=seed, workflow="refunds-large") for seed in range(3, 13)))
    incident = flood(12.3, 60, "refunds-small")  # no more than the large one does in three hours
    tuning = tuned(book(VOLUME), merged(small, large, incident))
    [one] = tuning.proposals
    assert one.found
    apart = {tuning.workflows[peak.workflow] for peak in one.found.apart}
    assert apart == {"refunds-small"}
    assert one.rule.bound > 25  # as the large one needs it


def test_bounds_hold_on_the_days_that_come_after() -> None:
    policies = book(VOLUME, ERRORS, MONEY)
    tuning = tuned(policies, days(30))
    later = days(60, seed=7, start=40)
    assert not [edge for taken in replay(tuning.book, later) for edge in taken.effects.detections]
    for one in tuning.proposals:
        crossed, stretches = one.held_out
        assert crossed == 0 < stretches


@pytest.mark.parametrize("number", [1, 4])
def test_a_history_that_is_too_short_changes_nothing(number: int) -> None:
    policies = book(ERRORS | {"over": "2d"})
    [one] = tuned(policies, days(number)).proposals
    assert one.rule == one.before


def test_what_was_measured_in_the_incident_alone_says_nothing() -> None:
    busy = {"name": "busy", "rate": "error", "over": "1h", "above": "10%", "min": 50}
    [one] = tuned(book(busy), merged(days(40), flood(20.5))).proposals
    assert one.rule == one.before
    assert one.found
    assert (one.found.peaks, one.found.events) == ([], 0)


def test_evidence_is_tuned_by_its_window_and_usual_is_left_alone() -> None:
    proof = {"rate": "error", "over": "7d", "above": "50%", "method": "evidence"}
    rules = proof | {"false_trips": "1 in 1000"}, VOLUME | {"at_least": "4x usual"}
    evidence, usual = tuned(book(*rules), merged(days(40), flood(20.2))).proposals
    assert 0.03 < evidence.rule.bound < 0.2
    assert usual.rule == usual.before
    assert usual.found is None


def test_nothing_to_measure_is_told() -> None:
    with pytest.raises(TuneError, match="no rule of these policies measures anything"):
        tuned(book(VOLUME, match={"workflow": "nobody"}), days(2))


def test_quantiles_are_those_of_the_rate_at_every_event() -> None:
    log = days(40)
    [one] = tuned(book(MONEY), log).proposals
    loud = book(MONEY | {"above": 0})
    readings = Readings(quiet(loud), 1, levels=False)
    for records in batches(log):
        readings.take(records)
    rates = readings.rows()["highest"]
    assert one.found
    assert one.found.events == len(rates)
    for name, share in {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}.items():
        exact = np.quantile(rates, share, method="inverted_cdf")
        assert one.found.quantiles[name] == pytest.approx(exact, rel=0.0101)
    assert one.found.quantiles["max"] == rates.max()


def rule(**fields: Any) -> Rule:
    return book(fields).policies[0].rules[0]


@pytest.mark.parametrize(
    ("fields", "peak", "bound"),
    [
        (VOLUME, 18.0, 36.0),
        (VOLUME, 3.0, 7.0),  # chance: 3 + 2 * sqrt(3)
        (VOLUME, 0.0, 1.0),
        (VOLUME, 1234.0, 2500.0),
        (MONEY, 948.0, 1900.0),
        (MONEY, 0.0, None),
        (ERRORS, 0.0, 0.05),  # one of the fewest that count
        (ERRORS, 0.024, 0.094),  # 0.024 + 2 * sqrt(0.024 / 20)
        (ERRORS, 0.25, 0.5),
        (ERRORS, 0.7, 0.85),  # half way to all
        (ERRORS, 1.0, None),
    ],
)
def test_the_bound_above_a_peak(fields: dict[str, Any], peak: float, bound: float | None) -> None:
    found = bounds.bound_above(rule(**fields), peak, 2.0)
    assert found == (None if bound is None else pytest.approx(bound))


# --- the file ----------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(books(), st.text(max_size=30), st.text(min_size=1, max_size=30))
def test_a_book_reads_as_it_was_written(policies: PolicyBook, note: str, name: str) -> None:
    first = policies.policies[0].model_copy(update={"name": name, "mode": "off"})
    policies = policies.model_copy(update={"policies": (first, *policies.policies[1:])})
    if len({policy.name for policy in policies.policies}) == len(policies.policies):
        text = policy_text(policies, [note], lambda *_: [note])
        assert parse_policies(text) == policies


def test_presets_read_as_they_were_written() -> None:
    presets = load_presets()
    assert parse_policies(policy_text(presets, [], lambda *_: [])) == presets


# --- drafts ------------------------------------------------------------------------------------


def test_a_draft_is_a_preset_in_shadow_for_each_capability_and_its_currencies() -> None:
    log = [line("a", 0, value=1, currency="GBP"), line("b", 1, value=1, currency="gbp")]
    log += [line("c", 2, value=1, currency="EUR"), line("d", 3, capability="send"), b"{}", b"x"]
    send, transact = sorted(draft(log, "capability").policies, key=lambda policy: policy.name)
    assert (send.name, transact.name, send.mode, transact.mode) == (
        *("send", "transact"),
        *("shadow", "shadow"),
    )
    money = {one.name: one.currency for one in transact.rules if one.rate == "value"}
    assert money == {"money-per-hour": "GBP", "money-per-hour-eur": "EUR"}
    assert not any(one.rate == "value" for one in send.rules)


def test_a_draft_for_each_workflow_matches_it_alone() -> None:
    names = ["refunds", "refunds*", "[x]?", "n" * 150, "n" * 150 + "m"]
    log = [line(f"e{n}", n, workflow=name) for n, name in enumerate(names)]
    log.append(line("other", 9, workflow="refunds", capability="send"))
    event = json.loads(line("cloud", 10, workflow="cloudy"))
    cloud = {"specversion": "1.0", "id": "cloud", "source": "x", "type": "y", "data": event}
    log.append(json.dumps(cloud).encode())
    drafted = draft(log, "workflow")
    for workflow in (*names, "cloudy"):
        place = drafted.find(workflow, "agent-1", "transact")
        assert place is not None
        policy = drafted.policies[place]
        assert sum(policy.match.accepts(name, "agent-1", "transact") for name in names) <= 1
    assert drafted.find("refundsx", "agent-1", "transact") is None
    assert len(drafted.policies) == 7


def test_a_log_that_no_draft_fits_is_told() -> None:
    with pytest.raises(DraftError, match="holds no event"):
        draft([b"{}"], "capability")
    many = [line(f"e{n}", n, workflow=f"w{n}") for n in range(300)]
    with pytest.raises(DraftError, match=r"300 workflows.*--by capability"):
        draft(many, "workflow")
    assert len(draft(many, "capability").policies) == 1


# --- the command -------------------------------------------------------------------------------


def run(*args: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", "from andon.cli import main; main()", *map(str, args)]
    return subprocess.run(command, input=stdin, capture_output=True, cwd=ROOT, timeout=120)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("night") / "log.jsonl"
    path.write_bytes(b"\n".join(event.to_json() for event in refund_night(12).events(START)))
    return path


def test_what_is_proposed_is_a_policy_that_a_backtest_takes(night: Path, tmp_path: Path) -> None:
    done = run("tune", "--policy", "policies/refunds.yaml", night)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"it trips 1 time," in done.stdout
    assert b"0 in health, 1 where something stood out" in done.stdout.replace(b"\n# ", b" ")
    (tmp_path / "proposed.yaml").write_bytes(done.stdout)
    edges = run("backtest", "--policy", tmp_path / "proposed.yaml", night)
    assert (edges.returncode, edges.stderr) == (0, b"")
    began = format_ts(START + timedelta(seconds=NIGHT_FROM_S))
    found = [json.loads(row) for row in edges.stdout.splitlines()]
    assert {edge["rule"] for edge in found} >= {"same-refund-again", "money-per-hour"}
    assert all(edge["ts"] >= began for edge in found)
    plain = {"money-per-hour": 5000, "too-many-an-hour": 60}
    for edge in found:
        assert edge["bound"] < plain.get(edge["rule"], float("inf"))


def test_scripts_get_one_object_and_standard_input_is_read_again(night: Path) -> None:
    done = run("tune", "-", "--json", "--margin", "3", stdin=night.read_bytes())
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["margin"], found["trips"]) == (3.0, {"health": 0, "unknown": 0, "apart": 1})
    [money] = [one for one in found["rules"] if one["rule"] == "money-per-hour"]
    assert money["bound"] == pytest.approx(3 * money["quantiles"]["max"], rel=0.1)
    assert money["quantiles"]["p50"] <= money["quantiles"]["p99"] <= money["quantiles"]["max"]
    assert max(peak["peak"] for peak in money["apart"]) > money["bound"]
    book = parse_policies(found["policy"])
    assert [policy.mode for policy in book.policies] == ["shadow"]
    assert found["stretch_s"] * 1e6 <= DAY_US


def test_what_cannot_be_used_ends_with_2_and_says_why(night: Path, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(
        "version: 1\npolicies:\n  - {name: x, match: {workflow: nobody}, rules: "
        "[{name: y, rate: volume, over: 1h, above: 3}]}\n"
    )
    for args, words in (
        (("--policy", tmp_path / "none.yaml", night), "none.yaml"),
        (("--policy", tmp_path / "other.yaml", night), "measures anything in this log"),
        ((tmp_path / "none",), "none:1: file: cannot be read"),
        ((night, "--margin", "0.5"), "margin"),
    ):
        done = run("tune", *args)
        assert (done.returncode, done.stdout) == (2, b""), words
        assert words in done.stderr.decode()
        assert b"Traceback" not in done.stderr
    assert b"holds no event" in run("tune", "-").stderr


def test_a_policy_without_rules_is_told() -> None:
    with pytest.raises(TuneError):
        tuned(book_of({"name": "empty"}), days(1))
