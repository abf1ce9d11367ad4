"""A backtest holds what the windows hold, not the file."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.eventlog import line

ROOT = Path(__file__).parents[2]
POLICY = """\
version: 1
policies:
  - name: short
    rules:
      - {name: volume, rate: volume, over: 1m, at_least: 100000}
      - {name: money, rate: value, over: 10m, above: 1000000, currency: USD, per: target}
      - {name: reversals, rate: reversal, over: 10m, above: 99%}
"""


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("memory") / "policy.yaml"
    path.write_text(POLICY)
    return path


def peak_mb(command: str, policy: Path, events: int) -> float:
    """The most memory of a command over a log of so many events, one a second."""
    log = policy.with_name(f"{events}.jsonl.gz")
    if not log.exists():
        with gzip.open(log, "wb", compresslevel=1) as file:
            for n in range(events):
                fields = {"target": f"ch_{n}", "value": n % 97, "workflow": f"w{n % 50}"}
                file.write(line(f"event-{n}", n, currency="USD", **fields) + b"\n")
    program = [sys.executable, "-c", "from andon.cli import main; main()", command]
    options = ["--policy", str(policy), "--json", str(log)]
    with subprocess.Popen([*program, *options], stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss / (1024 if sys.platform == "linux" else 1 << 20)


# What `tune` keeps of a log grows up to half a million rows.
@pytest.mark.parametrize(("command", "room_mb"), [("backtest", 20), ("report", 20), ("tune", 120)])
def test_five_times_the_log_takes_no_more_memory(
    command: str, room_mb: float, policy: Path
) -> None:
    peak_mb(command, policy, 1_000)  # the first run may have to compile, which takes more
    short, long = (peak_mb(command, policy, events) for events in (50_000, 250_000))
    assert long < short + room_mb
