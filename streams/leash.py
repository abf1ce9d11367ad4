"""Runs a command that must not outlive whoever holds the other end of our standard input.

    python leash.py COMMAND...

When a byte arrives there, or that end closes because its holder died in whatever way, the
command gets SIGTERM. Prints `pid N` of the command first and ends with its exit status.
Standard library only, so that it starts at once with `python -I -S`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def run(command: list[str]) -> int:
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    print("pid", child.pid, flush=True)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())

    def wait_for_release() -> None:
        os.read(0, 1)
        child.terminate()

    threading.Thread(target=wait_for_release, daemon=True).start()
    status = child.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
