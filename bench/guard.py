"""What a guard costs its caller, beside other circuit breakers."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from time import thread_time_ns

from andon.guard import Guard, MemoryTransport
from bench.sizes import Runs, Sizes
from bench.throughput import PEERS, PEERS_PYTHON

WARM_UP = 1000


def measure(sizes: Sizes) -> Runs:
    """In turns, the caller's own time. A check is of a closed breaker; an emit a whole attempt."""
    runs: Runs = {}
    for _ in range(sizes.runs):
        turns = {
            "guard_check_ns": check_ns(sizes.calls),
            "guard_emit_us": emit_ns(sizes.calls // 10) / 1000,
            "pybreaker_check_ns": _peer_ns("pybreaker", sizes.calls),
            "purgatory_check_ns": _peer_ns("purgatory", sizes.calls),
        }
        for name, value in turns.items():
            runs.setdefault(name, []).append(value)
    return runs


def check_ns(calls: int) -> float:
    """May an action run now?"""
    with Guard("refunds", "refund-bot", transport=MemoryTransport()) as guard:
        guard.ready()
        return _mean_ns(guard.check, calls)


def emit_ns(calls: int) -> float:
    """An action that does nothing, with all that its event says."""
    with Guard("refunds", "refund-bot", transport=MemoryTransport(), queue_max=calls * 2) as guard:
        guard.ready()

        def attempt() -> None:
            with guard.attempt("transact", "refund.create", target="ch_1", value=5, currency="USD"):
                pass

        return _mean_ns(attempt, calls)


def _mean_ns(call: Callable[[], object], calls: int) -> float:
    for _ in range(WARM_UP):
        call()
    began = thread_time_ns()
    for _ in range(calls):
        call()
    return (thread_time_ns() - began) / calls


def _peer_ns(name: str, calls: int, python: Path = PEERS_PYTHON) -> float:
    program = [str(python), str(PEERS / f"{name}_check.py"), str(calls)]
    return float(subprocess.run(program, check=True, capture_output=True, text=True).stdout)
