"""How fast `andon backtest` gets through a log of days, and the most memory that it takes."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from bench.core import POLICY
from bench.events import events
from bench.sizes import Runs, Sizes

DAY_S = 86_400.0


def measure(sizes: Sizes) -> Runs:
    """The whole command, from its start to its end, over one gzipped file; a single run."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl.gz"
        count = sizes.backtest_days * sizes.backtest_events_a_day
        write(log, sizes.backtest_days, sizes.backtest_events_a_day, sizes.workflows)
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
    peak_mb = usage.ru_maxrss / (1024 if sys.platform == "linux" else 1 << 20)
    return {"backtest_events_per_s": [count / took_s], "backtest_peak_mb": [peak_mb]}


def write(path: Path, days: int, a_day: int, workflows: int) -> None:
    """The same day again and again, under other dates and ids."""
    day = [value + b"\n" for _, value in events(a_day, workflows, span_s=DAY_S)]
    with gzip.open(path, "wb", compresslevel=1) as file:
        for number in range(1, days + 1):
            date, ids = b"2026-01-%02dT" % number, b"0198b2c4-%04d-" % number
            for line in day:
                file.write(line.replace(b"0198b2c4-0000-", ids).replace(b"2026-01-01T", date))
