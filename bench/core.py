"""The decision core without Kafka: from raw records to decisions as data.

python -m bench.core WORKFLOWS COUNT
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from time import perf_counter

from andon.policy_file import load_policies
from bench.events import events
from bench.sizes import Runs, Sizes
from detectors.columns import Records
from detectors.line import Line
from detectors.plan import compile_book

POLICY = Path(__file__).with_name("policy.yaml")
BATCH = 10_000
PAGE_B = 4096


def measure(sizes: Sizes) -> Runs:
    """Each run in a process of its own, so that memory is only what it has taken."""
    runs: Runs = {}
    for suffix, workflows in (("", sizes.workflows), ("_100k_workflows", sizes.workflows_many)):
        command = [sys.executable, "-m", "bench.core", str(workflows), str(sizes.events)]
        for _ in range(sizes.runs):
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found = json.loads(told)
            runs.setdefault(f"core_events_per_s{suffix}", []).append(found["events_per_s"])
            if suffix:
                runs.setdefault("bytes_per_workflow", []).append(found["bytes"] / workflows)
    return runs


def run(workflows: int, count: int) -> dict[str, float]:
    """`events_per_s` of the second half of the log; `bytes` by which memory has grown in all."""
    compiled = compile_book(load_policies(POLICY))
    Line(compiled).take(next(_batches(workflows, BATCH)))  # loads what is compiled
    line, before, took_s, done = Line(compiled), _memory_b(), 0.0, 0
    for batch in _batches(workflows, count):
        began = perf_counter()
        line.take(batch)
        if done >= count // 2:
            took_s += perf_counter() - began
        done += len(batch.values)
    return {"events_per_s": (count - count // 2) / took_s, "bytes": _memory_b() - before}


def _batches(workflows: int, count: int) -> Iterator[Records]:
    source = events(count, workflows)
    while batch := list(islice(source, BATCH)):
        yield Records([value for _, value in batch], [key for key, _ in batch])


def _memory_b() -> int:
    """Resident."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_B


if __name__ == "__main__":
    print(json.dumps(run(*map(int, sys.argv[1:]))))
