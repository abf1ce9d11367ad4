"""`andon report`: what would have been paused, when, and what that would have saved."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from andon.policy import PolicyBook
from backtest.plot import draw, moment
from backtest.readings import Readings
from backtest.replay import batches, enforced
from backtest.report import tables, verdict
from backtest.simulation import Simulation
from detectors.plan import MICRO, compile_book
from tests.detectors.logs import Log, books, logs
from tests.eventlog import book, line
from tests.latched import Latched
from tests.reference import parsed

ROOT = Path(__file__).parents[2]
MONEY = {"name": "money", "rate": "value", "over": "60s", "at_least": 100, "currency": "USD"}
BURST = {"name": "burst", "rate": "volume", "over": "60s", "at_least": 3}


def simulated(policies: PolicyBook, log: Log, resume_after_s: int | None = None) -> dict[str, Any]:
    simulation = Simulation(policies, resume_after_s=resume_after_s)
    for records in batches(log, 7):
        simulation.take(records)
    return simulation.report()


def spend(name: str, at: float, value: float = 60, currency: str = "USD", **fields: Any) -> bytes:
    return line(name, at, value=value, currency=currency, **fields)


def test_a_shadow_policy_is_simulated_as_if_it_were_enforced() -> None:
    log = [spend("a", 0), spend("b", 1), spend("c", 2, 5, "EUR"), spend("d", 3), spend("e", 4)]
    found = simulated(book(MONEY, mode="shadow"), log)
    [pause] = found["pauses"]
    assert pause["saved"] == {"actions": 3, "value": {"EUR": 5.0, "USD": 120.0}}
    assert (pause["workflow"], pause["mode"], pause["rule"]) == ("refunds", "shadow", "money")
    assert (pause["observed"], pause["bound"], pause["event_id"]) == (120.0, 100.0, "b")
    assert (pause["tripped"], pause["resumed"]) == ("2026-01-31T08:00:01.000Z", None)
    assert pause["paused_s"] == 3.0
    assert found["total"]["executed"] == {"actions": 2, "value": {"USD": 120.0}}


def test_each_pause_saves_what_was_done_until_it_was_over() -> None:
    log = [spend(f"e{n}", n * 100, 70 if n % 2 else 100, workflow=f"w{n % 3}") for n in range(60)]
    found = simulated(book(MONEY), log, resume_after_s=400)
    alone = [simulated(book(MONEY), log[n::3], resume_after_s=400) for n in range(3)]
    assert len(found["pauses"]) > 10
    for part in alone:
        for pause in part["pauses"]:
            assert pause in found["pauses"] or not pause["resumed"]
    for pause in found["pauses"]:
        if pause["resumed"]:
            # An event every 300 s: the one in between is saved, the one after 600 s is let run.
            assert (pause["paused_s"], pause["saved"]["actions"]) == (600.0, 1)
    assert found["resume_after_s"] == 400


def test_a_wait_that_the_policy_has_stands() -> None:
    log = [spend(f"e{n}", n * 10, 100) for n in range(30)]
    patient = book(MONEY, recover={"after": "2m"})
    [first, *_] = simulated(patient, log, resume_after_s=10)["pauses"]
    assert first["paused_s"] == 120.0


def test_a_policy_that_is_off_pauses_nothing() -> None:
    found = simulated(book(MONEY, mode="off"), [spend("a", 0, 1000), spend("b", 1)])
    assert (found["pauses"], found["total"]["workflows"]) == ([], 0)
    assert "None of 0 watched workflows would have been paused" in verdict(found)
    assert tables(found) == []
    assert verdict(simulated(book(MONEY), [])) == "The log holds no event."


@settings(max_examples=100, deadline=None)
@given(books(), logs())
def test_totals_are_what_the_reference_lives_through(policies: PolicyBook, log: Log) -> None:
    reference = Latched(enforced(policies, 90))
    for event in parsed(log):
        reference.feed(event)
    lives = reference.report()
    found = simulated(policies, log, 90)
    assert found["total"]["pauses"] == sum(len(life["trips"]) for life in lives.values())
    for page in found["workflows"]:
        life = lives[page["workflow"]]
        assert page["saved"]["actions"] == life["blocked"]["actions"]
        assert page["saved"]["value"] == pytest.approx(life["blocked"]["value"])
        trips = [one for one in found["pauses"] if one["workflow"] == page["workflow"]]
        assert [(trip["tripped"], trip["rule"]) for trip in trips] == life["trips"]
        assert sum(trip["saved"]["actions"] for trip in trips) == page["saved"]["actions"]


# --- pictures ----------------------------------------------------------------------------------


def test_a_picture_shows_rates_bounds_trips_and_pauses() -> None:
    log = [spend(f"e{n}", n * 30, 40 + n) for n in range(40)]
    policies = book(MONEY, BURST)
    readings = Readings(compile_book(policies), MICRO)
    simulation = Simulation(policies, resume_after_s=120, readings=readings)
    for records in batches(log, 7):
        simulation.take(records)
    report = simulation.report()
    money, burst = draw(readings, report, "refunds").axes
    assert [panel.get_title(loc="left").split(":")[0] for panel in (money, burst)] == [
        "money",
        "burst",
    ]
    rate, _, bound, *others = money.get_lines()
    assert max(rate.get_ydata()) == 78 + 79  # had nothing been paused
    assert set(bound.get_ydata()) == {100}
    tripped = [pause["tripped"] for pause in report["pauses"]]
    assert [other.get_xdata()[0] for other in others] == [moment(ts) for ts in tripped]
    assert len(money.patches) == len(burst.patches) == len(tripped) > 3
    assert {text.get_text() for text in money.texts} >= {
        "above 100 USD".replace("above", "at least")
    }
    assert any(text.get_text().endswith("at 101 USD") for text in money.texts)


def test_readings_are_thinned_without_losing_a_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    log = [spend(f"e{n}", n * 61, n % 97, workflow=f"w{n % 5}") for n in range(3000)]
    compiled = compile_book(book(MONEY, BURST))
    fine, coarse = Readings(compiled, MICRO), Readings(compiled, MICRO)
    for records in batches(log, 500):
        fine.take(records)
    every = fine.rows()
    monkeypatch.setattr("backtest.readings.ROWS_MAX", 200)
    for records in batches(log, 500):
        coarse.take(records)
    few = coarse.rows()
    assert (len(every), every["count"].sum(), few["count"].sum()) == (6000, 6000, 6000)
    assert len(few) <= 200
    for workflow in range(5):
        peaks = [
            rows["highest"][(rows["workflow"] == workflow) & (rows["rule"] == 0)].max()
            for rows in (every, few)
        ]
        assert peaks[0] == peaks[1] == max(n % 97 for n in range(workflow, 3000, 5))


# --- the command -------------------------------------------------------------------------------

POLICY = """\
version: 1
policies:
  - name: refunds
    match: {workflow: "refunds*"}
    mode: shadow
    rules:
      - {name: burst, rate: volume, over: 1m, at_least: 3}
      - {name: money, rate: value, over: 1h, above: 500, currency: USD}
"""
LOG = [spend(f"e{n}", n * 20, 40, workflow=f"refunds-{n % 3}|$a$<b>") for n in range(90)]
COMMAND = [sys.executable, "-c", "from andon.cli import main; main()", "report"]


def run(*args: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
    command = [*COMMAND, *map(str, args)]
    return subprocess.run(command, capture_output=True, cwd=ROOT, timeout=120, **options)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"\n".join([*LOG[:50], b"{no event", *LOG[50:]]))
    return path


def test_people_get_tables_and_a_sentence(policy: Path, log: Path) -> None:
    done = run("--policy", policy, log, "--resume-after", "10m")
    assert done.returncode == 0, done.stderr
    told = done.stdout.decode()
    assert "| 2026-01-31 08:12 | refunds-0\\|$a$<b> | refunds (shadow) | money: money moved" in told
    assert "3 of 3 watched workflows would have been paused" in told
    assert "log.jsonl:51: record: is not JSON" in done.stderr.decode()


def test_scripts_get_one_object_from_a_file_or_standard_input(policy: Path, log: Path) -> None:
    done = run("--policy", policy, log, "--json")
    found = json.loads(done.stdout)
    assert found["events"]["rejected"] == 1
    total = found["total"]
    assert total["executed"]["actions"] + total["saved"]["actions"] == len(LOG)
    piped = run("--policy", policy, "-", "--json", input=log.read_bytes())
    assert json.loads(piped.stdout) == found


def test_a_terminal_sees_progress_and_standard_output_stays_clean(policy: Path, log: Path) -> None:
    ours, theirs = pty.openpty()
    command = [*COMMAND, "--policy", str(policy), str(log), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, cwd=ROOT) as done:
        os.close(theirs)
        output, _ = done.communicate(timeout=120)
    seen = os.read(ours, 100_000)
    os.close(ours)
    assert b"Report" in seen
    assert json.loads(output)["total"]["workflows"] == 3


class Page(HTMLParser):
    """What a page shows, and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())


def test_the_page_stands_alone_and_lets_people_choose(
    policy: Path, log: Path, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    done = run("--policy", policy, log, "--plot", path, "--resume-after", "10m")
    assert done.returncode == 0, done.stderr
    page = Page(path.read_text())
    hidden = ["hidden" in attrs for tag, attrs in page.tags if tag == "figure"]
    assert hidden == [False, True, True]
    assert [tag for tag, _ in page.tags].count("svg") == 3
    assert [tag for tag, _ in page.tags].count("option") == 3
    assert page.words.count("refunds-1|$a$<b>") == 3  # a choice, a pause, a workflow
    for _, attrs in page.tags:
        for name in ("src", "href", "xlink:href"):
            assert (attrs.get(name) or "#").startswith("#")
    ids = [attrs["id"] for tag, attrs in page.tags if tag == "clippath"]
    assert len(set(ids)) == len(ids) > 3
    assert not re.search(r"url\((?!#)", path.read_text())
    assert len(path.read_bytes()) < 500_000


def test_a_png_shows_one_workflow_and_says_which(policy: Path, log: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.png"
    done = run("--policy", policy, log, "--plot", path, "--workflow", "refunds-2*")
    assert done.returncode == 0, done.stderr
    assert f"{path} shows refunds-2|$a$<b>\n" in done.stderr.decode()
    assert path.read_bytes().startswith(b"\x89PNG")
    several = run("--policy", policy, log, "--plot", path)
    assert "and not 2 more: choose with --workflow" in several.stderr.decode()


def test_what_cannot_be_used_ends_with_2_and_says_why(
    policy: Path, log: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(POLICY.replace("1m", "1 minute"))
    for args, words in (
        (("--policy", bad, log), "bad.yaml:7: policies[0].rules[0].over"),
        (("--policy", policy, tmp_path / "none"), "none:1: file: cannot be read"),
        (("--policy", policy, log, "--plot", "x.gif"), "x.gif: must end in .html or .png"),
        (("--policy", policy, log, "--plot", tmp_path / "no" / "x.png"), "there is no folder"),
        (("--policy", policy, log, "--resume-after", "soon"), "must be a duration"),
    ):
        done = run(*args)
        assert (done.returncode, done.stdout) == (2, b""), words
        assert words in done.stderr.decode()
        assert b"Traceback" not in done.stderr
