"""A thread that reads one topic from its beginning, again whenever the broker was lost."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from andon.guard.tally import Tally
from andon.guard.transport import Log, Record, Transport

POLL_S = 0.1
REOPEN_AFTER_S = (0.1, 0.2, 0.5, 1.0, 2.0)


class Listener(Protocol):
    """Called by the thread alone. Nothing is to be raised."""

    def opened(self) -> None:
        """The log is read from its beginning now."""

    def read(self, records: Sequence[Record]) -> None:
        """The next records."""

    def caught_up(self) -> None:
        """All was read that stood in the log when it was opened."""

    def lost(self) -> None:
        """No record is heard any more until the log is opened again."""


class Tail:
    """`start` may be called before each use: it does nothing where it runs or was stopped.

    Once it is not `wanted` it ends, until the next start.
    """

    def __init__(
        self,
        topic: str,
        transport: Transport,
        tally: Tally,
        listener: Listener,
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        self._topic = topic
        self._transport = transport
        self._tally = tally
        self._listener = listener
        self._wanted = wanted
        self.forked()

    def forked(self) -> None:
        """In a forked child: not started."""
        self._stop = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Never raises."""
        with self._starting:
            if self._thread is None and not self._stop.is_set():
                name = f"andon-{self._topic.rpartition('.')[2]}"
                thread = threading.Thread(target=self._run, name=name, daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:  # the machine has no thread left
                    self._tally.fault("connection", f"no thread to read {self._topic}", error)
                else:
                    self._thread = thread

    @property
    def stopped(self) -> bool:
        """Whether it was asked to end."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Ask it to end."""
        self._stop.set()

    def join(self, timeout_s: float) -> None:
        """Wait until it has ended."""
        if thread := self._thread:  # it may end by itself meanwhile
            thread.join(timeout_s)

    def _run(self) -> None:
        failures = 0
        while not self._ended():
            try:
                with contextlib.closing(self._transport.read(self._topic)) as log:
                    failures = 0
                    self._follow(log)
            except Exception as error:
                self._tally.fault("connection", f"{self._topic} is not heard", error)
                self._listener.lost()
                self._stop.wait(REOPEN_AFTER_S[min(failures, len(REOPEN_AFTER_S) - 1)])
                failures += 1
        self._listener.lost()

    def _ended(self) -> bool:
        with self._starting:
            if not self._wanted():
                self._thread = None
            return self._stop.is_set() or self._thread is None

    def _follow(self, log: Log) -> None:
        self._listener.opened()
        behind = True
        while not self._stop.is_set() and self._wanted():
            if behind and log.caught_up():
                behind = False
                self._listener.caught_up()
            self._listener.read(log.poll(POLL_S))
