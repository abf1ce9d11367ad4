"""The real monitor over a full topic: how fast it gets from raw records to decisions written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from urllib.request import urlopen

PATIENCE_S = 120


@contextmanager
def monitor(bootstrap_servers: str, policy: Path, folder: Path) -> Iterator[str]:
    """Run `andon monitor`; gives the address of its metrics."""
    command = [sys.executable, "-c", "from andon.cli import main; main()", "monitor"]
    options = ["--policy", str(policy), "--metrics-port", "0", "--no-alerts"]
    environment = os.environ | {
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
        "ANDON_DATA_DIR": str(folder),
        "PYTHONUNBUFFERED": "1",
    }
    process = subprocess.Popen(
        command + options, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"http://\S+", line):
                yield found[0]
                return
        raise RuntimeError(f"the monitor ended with {process.wait()}")
    finally:
        process.terminate()
        process.wait(timeout=30)


def events_per_s(address: str, count: int) -> float:
    """From the first batch seen finished to the last one."""
    deadline = monotonic() + PATIENCE_S
    first = None
    while monotonic() < deadline:
        done, at = _finished(address)
        if done and first is None:
            first = (done, at)
        if done >= count and first is not None:
            return (done - first[0]) / (at - first[1])
        sleep(1)  # a scrape takes the monitor some 50 ms: seldom enough not to be what is measured
    raise TimeoutError(f"the monitor did not finish {count} events in {PATIENCE_S} s")


def _finished(address: str) -> tuple[float, float]:
    with urlopen(address, timeout=10) as answer:
        text = answer.read().decode()
    records = re.findall(r"^andon_records_total\{.*\} (\S+)$", text, re.MULTILINE)
    at = re.search(r"^andon_last_batch_timestamp_seconds (\S+)$", text, re.MULTILINE)
    return sum(map(float, records)), float(at[1]) if at else 0.0
