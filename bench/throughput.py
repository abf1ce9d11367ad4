"""The whole path, from a full topic to decisions written, beside others on the same topic."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from andon.topics import EVENTS
from bench.events import events
from bench.monitor import monitor, pace
from bench.sizes import Runs, Sizes
from bench.topic import Place, broker, fill

PEERS = Path(__file__).with_name("peers")
PEERS_PYTHON = Path("build/peers/bin/python")
"""Made by `make bench`, so that the pins of others and ours do not disturb each other."""
PATIENCE_S = 180


def measure(sizes: Sizes) -> Runs:
    """All take turns."""
    runs: Runs = {}
    with broker() as place:
        fill(place.servers, events(sizes.events, sizes.workflows))
        for run in range(sizes.runs):
            turns = {
                "aiokafka": _peer("aiokafka", place, sizes.events, run),
                "monitor": _monitor(place, sizes.events, run),
                "quix": _peer("quix", place, sizes.quix_events, run, PEERS_PYTHON),
                "faust": _peer("faust", place, sizes.faust_events, run),
            }
            for name, events_per_s in turns.items():
                runs.setdefault(f"{name}_events_per_s", []).append(events_per_s)
    return runs


def _monitor(place: Place, count: int, run: int) -> float:
    with monitor(place, f"bench-{run}") as watched:
        return pace(watched, count).events_per_s


def _peer(
    name: str, place: Place, count: int, run: int, python: Path = Path(sys.executable)
) -> float:
    """The figure that a program of `peers/` prints as its last word."""
    folder = place.folder / f"{name}-{run}"
    program = [str(python), str(PEERS / f"{name}_events.py")]
    told = subprocess.run(
        [*program, place.servers, EVENTS, str(count), str(folder)],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=PATIENCE_S,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    ).stdout
    return float(told.split()[-1])
