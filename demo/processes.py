"""The demo's processes: none outlives it, and when one dies, its last words are told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from andon.errors import AndonError
from streams.broker import LEASH

STOP_TIMEOUT_S = 8.0
LAST_LINES = 12
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class DemoError(AndonError):
    """The demo did not show what it is there to show; says why."""


class Child:
    """A context manager: a Python process with its output in a file, on the broker's leash.

    The leash ends it even when we are killed, and a session of its own keeps Ctrl-C from it, so
    that we end all processes in our order.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        log: Path,
        env: Mapping[str, str] | None = None,
        *,
        lasting: bool = True,
    ) -> None:
        self.name = name
        self.log = log
        self._lasting = lasting
        self._arguments = arguments
        self._env = {**os.environ, **(env or {})}

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._leash.poll()

    def check(self) -> None:
        """Raise DemoError where it has failed, or has ended although it should last."""
        if self.status or (self._lasting and self.status == 0):
            raise DemoError(self.why_it_ended())

    def why_it_ended(self) -> str:
        """Its status and last words."""
        lines = self.text.splitlines()[-LAST_LINES:]
        words = "".join(f"\n  {line}" for line in lines) or " (it said nothing)"
        return f"the {self.name} ended with status {self.status}; its last words:{words}"

    @property
    def text(self) -> str:
        """What it has printed so far, without the leash's own line."""
        return self.log.read_text(errors="replace").partition("\n")[2]

    def stop(self) -> None:
        """End it, at first politely."""
        assert self._leash.stdin is not None
        self._leash.stdin.close()
        try:
            self._leash.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._kill()
        if self._leash.returncode < 0:  # somebody has killed the leash, but not what it holds
            self._kill()

    def _kill(self) -> None:
        """Its process group is the leash's own."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._leash.pid, signal.SIGKILL)
        self._leash.wait()

    def __enter__(self) -> Child:
        with self.log.open("wb") as log:
            self._leash = subprocess.Popen(
                [sys.executable, "-I", "-S", str(LEASH), sys.executable, "-P", *self._arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._env,
                start_new_session=True,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let nobody interrupt what must be done, such as ending processes."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
