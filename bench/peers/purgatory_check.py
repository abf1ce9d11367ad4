"""purgatory: entering and leaving a closed breaker; nanoseconds.

python purgatory_check.py CALLS
"""

from __future__ import annotations

import sys
from time import thread_time_ns

from purgatory import SyncCircuitBreakerFactory


def main(calls: int) -> float:
    """On the average."""
    factory = SyncCircuitBreakerFactory()
    for _ in range(1000):
        _pass(factory)
    began = thread_time_ns()
    for _ in range(calls):
        _pass(factory)
    return (thread_time_ns() - began) / calls


def _pass(factory: SyncCircuitBreakerFactory) -> None:
    with factory.get_breaker("refunds"):
        pass


if __name__ == "__main__":
    print(main(int(sys.argv[1])))
