"""The real monitor over a topic: how fast it gets from raw records to decisions written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep, time
from typing import NamedTuple
from urllib.parse import urlencode
from urllib.request import urlopen

from bench.core import POLICY
from bench.topic import Place

# All of the page takes the monitor some 50 ms, and as long as it does it judges half as fast:
# nothing against a scrape every 15 s, but it would be what is measured here.
ASKED = urlencode({"name[]": ["andon_records_total", "andon_last_batch_timestamp_seconds"]}, True)
PATIENCE_S = 120
STOP_S = 30


class Watched(NamedTuple):
    """A monitor that runs."""

    pid: int
    metrics: str  # the address
    started: float  # seconds since 1970

    def finished(self) -> tuple[float, float]:
        """Records done since its start; when the last batch of them was, in seconds since 1970."""
        with urlopen(f"{self.metrics}?{ASKED}", timeout=30) as answer:
            text = answer.read().decode()
        records = re.findall(r"^andon_records_total\{.*\} (\S+)$", text, re.MULTILINE)
        at = re.search(r"^andon_last_batch_timestamp_seconds (\S+)$", text, re.MULTILINE)
        return sum(map(float, records)), float(at[1]) if at else 0.0

    def memory_mb(self) -> float:
        """The most that was resident."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024


class Pace(NamedTuple):
    """How a monitor got through a topic."""

    first_at: float  # the first batch seen finished, in seconds since 1970
    events_per_s: float  # from then to the last one


@contextmanager
def monitor(place: Place, group: str, policy: Path = POLICY) -> Iterator[Watched]:
    """Run `andon monitor`, with a group and a folder of its own."""
    command = [sys.executable, "-c", "from andon.cli import main; main()", "monitor"]
    options = ["--policy", str(policy), "--metrics-port", "0", "--no-alerts"]
    environment = os.environ | {
        "KAFKA_BOOTSTRAP_SERVERS": place.servers,
        "ANDON_DATA_DIR": str(place.folder / group),
        "ANDON_GROUP": group,
        "PYTHONUNBUFFERED": "1",
    }
    started = time()
    process = subprocess.Popen(
        [*command, *options], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"http://\S+", line):
                yield Watched(process.pid, found[0], started)
                return
        raise RuntimeError(f"the monitor ended with {process.wait()}")
    finally:
        process.terminate()
        try:
            process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            print(f"the monitor did not stop in {STOP_S} s; it was killed", file=sys.stderr)
            process.kill()
            process.wait()


def pace(watched: Watched, count: int) -> Pace:
    """Wait until so many events are done. Raises TimeoutError."""
    deadline = monotonic() + PATIENCE_S
    first = None
    while monotonic() < deadline:
        done, at = watched.finished()
        if done and first is None:
            first = (done, at)
        if done >= count and first is not None:
            return Pace(first[1], (done - first[0]) / max(at - first[1], 1e-9))
        sleep(0.1 if first is None else 1)
    raise TimeoutError(f"the monitor did not finish {count} events in {PATIENCE_S} s")
