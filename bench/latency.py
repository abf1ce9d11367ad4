"""From the produce of the offending event to the guard's refusal in another process.

Beside it the bare way there and back: the same broker, two records, three processes, no decision.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Timer
from time import monotonic_ns, sleep
from typing import IO

from kafka import KafkaProducer

from andon.events import format_ts
from andon.topics import EVENTS
from bench.echo import BACK, THERE, create
from bench.figures import percentiles
from bench.monitor import monitor
from bench.sizes import Runs, Sizes
from bench.topic import Place, broker
from streams.control import reset

POLICY = Path(__file__).with_name("latency.yaml")
WARM_UP = 3
PATIENCE_S = 120.0
REST_S = 0.3
"""Before each, a trip or a bare round trip: by then the monitor has heard of the reset before."""


def measure(sizes: Sizes) -> Runs:
    """With nothing else going on."""
    with broker() as place, monitor(place, "bench-latency", POLICY):
        return taken_turns(place, sizes.runs, sizes.trips)


def taken_turns(place: Place, runs: int, trips: int, suffix: str = "") -> Runs:
    """So many trips and as many bare round trips in each run."""
    found: Runs = {}
    create(place.servers)
    with closing(KafkaProducer(bootstrap_servers=place.servers)) as producer:
        for _ in range(runs):
            for name, ways in (("trip_latency", _trips), ("two_hop", _hops)):
                with ways(producer, place.servers) as way:  # alone: a bare consumer never rests
                    _times(way, WARM_UP)
                    for share, value in percentiles(_times(way, trips)).items():
                        found.setdefault(f"{name}{suffix}_ms.{share}", []).append(value)
    return found


def _times(way: Callable[[], float], count: int) -> list[float]:
    return [way() for _ in range(count)]


@contextmanager
def _trips(producer: KafkaProducer, servers: str) -> Iterator[Callable[[], float]]:
    """Trips one workflow at a time by an event, and lets it run again; milliseconds."""
    workflow = "trips-0"
    with program("bench.refusals", servers, workflow) as said:

        def trip() -> float:
            sleep(REST_S)
            began = monotonic_ns()
            producer.send(EVENTS, key=workflow.encode(), value=_event(workflow))
            took = _told_ns(said) - began
            asyncio.run(reset(servers, workflow, "measured", "bench", permits=None))
            if said.readline() != "runs\n":
                raise TimeoutError(f"{workflow} did not run again in {PATIENCE_S:g} s")
            return took / 1e6

        yield trip


@contextmanager
def _hops(producer: KafkaProducer, servers: str) -> Iterator[Callable[[], float]]:
    with (
        program("bench.echo", servers, THERE, BACK),
        program("bench.echo", servers, BACK) as said,
    ):

        def hop() -> float:
            sleep(REST_S)
            began = monotonic_ns()
            producer.send(THERE, value=b"x" * 350)
            return (_told_ns(said) - began) / 1e6

        yield hop


@contextmanager
def program(*arguments: str, patience_s: float = PATIENCE_S) -> Iterator[IO[str]]:
    """A process of ours that is ready; what it says, which ends after `patience_s`."""
    command = [sys.executable, "-m", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    patience = Timer(patience_s, process.kill)
    patience.start()
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process.stdout
    finally:
        patience.cancel()
        process.kill()
        process.wait()


def _told_ns(said: IO[str]) -> int:
    """A time. Raises TimeoutError where the process has ended before."""
    if not (told := said.readline()):
        raise TimeoutError(f"no record came through in {PATIENCE_S:g} s")
    return int(told)


def _event(workflow: str) -> bytes:
    """The first at its target, which trips."""
    unique = monotonic_ns()
    fields = {
        "event_id": f"trip-{unique}",
        "ts": format_ts(datetime.now(UTC)),
        "workflow": workflow,
        "automation": "refund-bot",
        "capability": "transact",
        "action": "refund.create",
        "target": f"ch_{unique}",
        "outcome": "success",
    }
    return json.dumps(fields).encode()
