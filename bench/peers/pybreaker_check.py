"""pybreaker: a call of nothing through a closed breaker; nanoseconds.

python pybreaker_check.py CALLS
"""

from __future__ import annotations

import sys
from time import thread_time_ns

import pybreaker


def main(calls: int) -> float:
    """On the average."""
    breaker = pybreaker.CircuitBreaker()
    for _ in range(1000):
        breaker.call(_nothing)
    began = thread_time_ns()
    for _ in range(calls):
        breaker.call(_nothing)
    return (thread_time_ns() - began) / calls


def _nothing() -> None:
    pass


if __name__ == "__main__":
    print(main(int(sys.argv[1])))
