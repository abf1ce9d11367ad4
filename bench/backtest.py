"""How fast `andon backtest` gets through a log, and the most memory that it takes.

python -m bench.backtest [EVENTS]
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.events import events
from detectors.__main__ import main as compile_loop

POLICY = Path(__file__).with_name("policy.yaml")
COUNT = 1_000_000
WORKFLOWS = 500
PER_S = 100_000 / 86_400
"""So that a million events are ten days, of which the windows hold two."""


def backtest(count: int = COUNT) -> dict[str, Any]:
    """Of the whole command, from its start to its end, over one gzipped file."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl.gz"
        write(log, count)
        compile_loop()
        command = [sys.executable, "-c", "from andon.cli import main; main()", "backtest"]
        options = ["--policy", str(POLICY), "--json", str(log)]
        began = perf_counter()
        with subprocess.Popen([*command, *options], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            summary = json.load(process.stdout)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        took_s = perf_counter() - began
    assert process.returncode == 0
    assert summary["events"]["counted"] == count
    return {
        "backtest_events_per_s": round(count / took_s),
        "backtest_peak_mb": round(usage.ru_maxrss / (1024 if sys.platform == "linux" else 1 << 20)),
        "backtest_events": count,
    }


def write(path: Path, count: int) -> None:
    """A log of so many events, gzipped."""
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _, value in events(count, WORKFLOWS, per_s=PER_S):
            file.write(value + b"\n")


if __name__ == "__main__":
    print(json.dumps(backtest(*map(int, sys.argv[1:])), indent=2))
