"""A guard's process: tells when its workflow is refused, and when it runs again.

python -m bench.refusals SERVERS WORKFLOW
"""

from __future__ import annotations

import sys
from time import monotonic_ns, sleep

from andon.errors import BreakerOpen
from andon.guard import Guard

LOOK_S = 0.0002


def main(servers: str, workflow: str) -> None:
    """Ends when it is killed."""
    with Guard(workflow, "refund-bot", bootstrap_servers=servers) as guard:
        guard.ready()
        print("ready", flush=True)
        while True:
            _wait(guard, refused=True)
            print(monotonic_ns(), flush=True)
            _wait(guard, refused=False)
            print("runs", flush=True)


def _wait(guard: Guard, refused: bool) -> None:
    while _refuses(guard) != refused:
        sleep(LOOK_S)


def _refuses(guard: Guard) -> bool:
    try:
        guard.check()
    except BreakerOpen:
        return True
    return False


if __name__ == "__main__":
    main(*sys.argv[1:])
