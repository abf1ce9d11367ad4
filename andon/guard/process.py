"""What happens to the guards of a process when it ends, and when it forks."""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import Protocol


class Guarded(Protocol):
    exit_timeout_s: float

    def close(self, timeout_s: float) -> bool: ...
    def forked(self) -> None: ...


_guards: weakref.WeakSet[Guarded] = weakref.WeakSet()
_watch: list[threading.Thread] = []


def register(guard: Guarded) -> None:
    """Tell the guard of forks from now on."""
    _guards.add(guard)


def forget(guard: Guarded) -> None:
    """A closed guard stays closed, in a forked child too."""
    _guards.discard(guard)


def close_at_exit() -> None:
    """Have all guards closed when the main thread ends; raises RuntimeError when it has ended.

    A thread that waits for the main thread, for at the time of `atexit` Python 3.12 starts no
    threads any more, and a client may still have to; nor is `atexit` run in multiprocessing's
    children.
    """
    if not _watch:
        thread = threading.Thread(target=_close_all, name="andon-exit", daemon=False)
        thread.start()
        _watch.append(thread)


def _close_all() -> None:
    threading.main_thread().join()
    started = time.monotonic()
    for guard in list(_guards):
        guard.close(max(0.0, guard.exit_timeout_s - (time.monotonic() - started)))


def _forked() -> None:
    _watch.clear()
    for guard in list(_guards):
        guard.forked()


os.register_at_fork(after_in_child=_forked)
