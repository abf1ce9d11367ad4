"""`andon backtest` as a person or a script meets it: files in, lines out, exit status."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from andon.policy_file import load_policies
from tests.eventlog import line
from tests.reference import rising_edges

ROOT = Path(__file__).parents[2]
POLICY = """\
version: 1
policies:
  - name: refunds
    match: {workflow: "refunds*"}
    rules:
      - {name: burst, rate: volume, over: 1m, at_least: 3}
      - {name: money, rate: value, over: 1h, above: 100, currency: USD, per: target}
"""
LOG = [
    line(
        f"e{n}", n * 20, value=40, currency="USD", target=f"ch_{n % 2}", workflow=f"refunds-{n % 3}"
    )
    for n in range(40)
]


def backtest(*args: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", "from andon.cli import main; main()", "backtest"]
    return subprocess.run(
        [*command, *map(str, args)], input=stdin, capture_output=True, cwd=ROOT, timeout=120
    )


def objects(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(row) for row in output.splitlines()]


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"\n".join(LOG) + b"\n")
    return path


def test_plain_zipped_and_piped_logs_give_the_same_lines(policy: Path, log: Path) -> None:
    expected = rising_edges(load_policies(policy), LOG)
    zipped = log.with_suffix(".jsonl.gz")
    zipped.write_bytes(gzip.compress(log.read_bytes()))
    for done in (
        backtest("--policy", policy, log),
        backtest("--policy", policy, zipped),
        backtest("--policy", policy, "-", stdin=log.read_bytes()),
    ):
        assert done.returncode == 0, done.stderr
        assert objects(done.stdout) == expected
    assert expected


def test_several_files_are_one_log_in_the_order_given(policy: Path, tmp_path: Path) -> None:
    parts = [tmp_path / "first.jsonl", tmp_path / "then.jsonl"]
    parts[0].write_bytes(b"\n".join(LOG[:15]))  # no newline at its end
    parts[1].write_bytes(b"\n".join(LOG[15:]) + b"\n")
    done = backtest("--policy", policy, *parts)
    assert objects(done.stdout) == rising_edges(load_policies(policy), LOG)


def test_out_takes_the_lines_instead(policy: Path, log: Path, tmp_path: Path) -> None:
    out = tmp_path / "edges.jsonl"
    done = backtest("--policy", policy, log, "--out", out)
    assert done.returncode == 0, done.stderr
    assert objects(out.read_bytes()) == rising_edges(load_policies(policy), LOG)
    assert b'"event_id"' not in done.stdout


def test_what_is_no_event_is_told_with_line_and_field_and_the_rest_goes_on(
    policy: Path, tmp_path: Path
) -> None:
    bad = {
        3: line("bad-value", 0, value=-1, currency="USD"),
        5: b"{not json",
        8: b'"\xff"',
        11: line("", 0),
        13: json.dumps({"event_id": "x"}).encode(),
        15: b"",
    }
    lines = list(LOG)
    for number, raw in bad.items():
        lines.insert(number - 1, raw)
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"\n".join(lines))
    done = backtest("--policy", policy, path)
    assert done.returncode == 0
    assert objects(done.stdout) == rising_edges(load_policies(policy), LOG)
    told = done.stderr.decode()
    for number, field in {3: "value", 5: "record", 8: "record", 11: "event_id", 13: "ts"}.items():
        assert any(f":{number}:" in row and field in row for row in told.splitlines()), told


def test_the_negative_payment_of_a_real_log_is_told(policy: Path, shared_data: Path) -> None:
    done = backtest("--policy", policy, shared_data / "agentdojo_official.jsonl.gz")
    assert done.returncode == 0
    [told] = done.stderr.decode().splitlines()
    assert "agentdojo_official.jsonl.gz:1016: value: " in told


def test_json_is_one_object_of_the_whole_log(policy: Path, log: Path, tmp_path: Path) -> None:
    expected = rising_edges(load_policies(policy), LOG)
    out = tmp_path / "edges.jsonl"
    [summary] = objects(backtest("--policy", policy, log, "--json", "--out", out).stdout)
    assert (summary["records"], summary["detections"]) == (len(LOG), len(expected))
    assert {page["workflow"] for page in summary["workflows"]} == {f"refunds-{n}" for n in range(3)}
    assert sum(page["executed"]["value"]["USD"] for page in summary["workflows"]) == 40 * len(LOG)
    assert objects(out.read_bytes()) == expected


def test_an_empty_log_is_summed_up_in_the_same_words(
    policy: Path, log: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").write_bytes(b"")
    [full] = objects(backtest("--policy", policy, log, "--json").stdout)
    [empty] = objects(backtest("--policy", policy, tmp_path / "empty", "--json").stdout)
    assert empty["events"] == dict.fromkeys(full["events"], 0)


def test_latch_adds_a_line_a_workflow(policy: Path, log: Path) -> None:
    done = backtest("--policy", policy, log, "--latch")
    edges = [one for one in objects(done.stdout) if "summary" not in one]
    pages = [one for one in objects(done.stdout) if "summary" in one]
    expected = rising_edges(load_policies(policy), LOG)
    first = {edge["workflow"]: edge for edge in reversed(expected)}
    assert edges == sorted(first.values(), key=lambda edge: edge["ts"])  # then paused for good
    for page in pages:
        moved, kept = page["executed"]["value"]["USD"], page["blocked"]["value"]["USD"]
        assert page["state"] == "OPEN"
        assert moved + kept == 40 * sum(page["workflow"].encode() in raw for raw in LOG)
    assert len(pages) == 3


def test_an_empty_log_is_quiet(policy: Path) -> None:
    done = backtest("--policy", policy, "-")
    assert (done.returncode, done.stdout) == (0, b"")


@pytest.mark.parametrize(
    ("text", "line_number", "field"),
    [
        (POLICY.replace("at_least: 3", "at_most: 3"), 6, "at_most"),
        (POLICY.replace("over: 1h", "over: 1 hour"), 7, "over"),
        (POLICY.replace("rate: volume", "rate: speed"), 6, "rate"),
        (POLICY.replace("version: 1", "version: 2"), 1, "version"),
        (POLICY + "  - name: [", 8, "file"),
        ("", 1, "file"),
    ],
)
def test_a_bad_policy_ends_with_2_and_its_line_and_field(
    text: str, line_number: int, field: str, log: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    done = backtest("--policy", path, log)
    assert (done.returncode, done.stdout) == (2, b"")
    rows = done.stderr.decode().splitlines()
    assert any(f"bad.yaml:{line_number}:" in row and field in row for row in rows), rows
    assert b"Traceback" not in done.stderr


def test_a_file_that_cannot_be_read_ends_with_2(policy: Path, log: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(gzip.compress(log.read_bytes())[:-20])
    for path in (tmp_path / "missing.jsonl", tmp_path, broken):
        done = backtest("--policy", policy, path)
        assert done.returncode == 2, (path, done.stderr)
        assert path.name in done.stderr.decode()
        assert b"Traceback" not in done.stderr
    assert backtest("--policy", tmp_path / "none.yaml", log).returncode == 2


def test_an_action_above_a_limit_is_told_and_pauses(tmp_path: Path) -> None:
    policy, log = tmp_path / "policy.yaml", tmp_path / "log.jsonl"
    limits = "    limits: [{value: 100, currency: USD, then: review}]\n"
    policy.write_text(POLICY.replace("    rules:", limits + "    rules:"))
    amounts = [40, 150, 150, 40]
    moved = [line(f"e{n}", 60 * n, value=usd, currency="USD") for n, usd in enumerate(amounts)]
    log.write_bytes(b"\n".join(moved) + b"\n")
    done = backtest("--policy", policy, log, "--latch")
    (burst, found, summary) = objects(done.stdout)
    assert (burst["rule"], found["rule"], found["event_id"]) == ("money", "limits[0]", "e1")
    assert (found["observed"], found["bound"], found["window_s"]) == (150, 100, 0)
    assert summary["workflow"] == "refunds"
