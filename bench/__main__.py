"""`python -m bench`: measures, writes build/bench.json, and the README's table from it."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from andon.topics import EVENTS
from bench.backtest import backtest
from bench.events import fill
from bench.monitor import events_per_s, monitor
from bench.readme import write_readme
from streams.broker import EmbeddedBroker
from streams.settings import Settings
from streams.topics import apply

COUNT = int(os.environ.get("BENCH_EVENTS", "400000"))
BACKTEST = int(os.environ.get("BENCH_BACKTEST_EVENTS", "1000000"))
RUNS = int(os.environ.get("BENCH_RUNS", "5"))
WORKFLOWS = 500
POLICY = Path(__file__).with_name("policy.yaml")
RESULT = Path("build/bench.json")
VERSIONS = ("faust-streaming", "aiokafka", "numpy", "numba", "msgspec", "noida-db")


def main() -> None:
    """Measure everything; the monitor and its peer take turns on the same full topic."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker(Path(folder) / "broker") as broker:
        servers = broker.bootstrap_servers
        apply(servers, Settings(bootstrap_servers=servers))
        print(f"filling {EVENTS} with {COUNT:,} events of {WORKFLOWS} workflows")
        asyncio.run(fill(servers, EVENTS, COUNT, WORKFLOWS))
        runs: dict[str, list[float]] = {"monitor": [], "aiokafka": []}
        for run in range(RUNS):
            runs["aiokafka"].append(_peer("aiokafka", servers))
            runs["monitor"].append(_monitor(servers, Path(folder) / f"run-{run}", f"bench-{run}"))
            print({name: round(values[-1]) for name, values in runs.items()}, flush=True)
    print(f"writing a log of {BACKTEST:,} events, and backtesting it")
    _write(runs, backtest(BACKTEST))


def _peer(name: str, servers: str) -> float:
    command = [sys.executable, "-m", "bench.peers", name, servers, str(COUNT)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _monitor(servers: str, folder: Path, group: str) -> float:
    os.environ["ANDON_GROUP"] = group
    with monitor(servers, POLICY, folder) as address:
        return events_per_s(address, COUNT)


def _write(runs: dict[str, list[float]], backtested: dict[str, Any]) -> None:
    ratios = [a / b for a, b in zip(runs["monitor"], runs["aiokafka"], strict=True)]
    result: dict[str, Any] = {
        f"{name}_events_per_s": round(median(values)) for name, values in runs.items()
    }
    result["monitor_per_aiokafka"] = round(median(ratios), 3)
    result |= backtested
    result["spread"] = {
        name: [round(min(values)), round(max(values))] for name, values in runs.items()
    }
    result["events"], result["workflows"], result["runs"] = COUNT, WORKFLOWS, RUNS
    result["machine"] = {"cpus": os.cpu_count(), "arch": platform.machine()}
    result["versions"] = {"python": platform.python_version()} | {
        name: version(name) for name in VERSIONS
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    write_readme(result)


if __name__ == "__main__":
    main()
