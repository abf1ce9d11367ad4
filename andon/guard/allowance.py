"""What one guard may run on trial now."""

from __future__ import annotations

import math
import time
from concurrent.futures import Future

from andon.commands import Command
from andon.guard.steps import LEARN_S
from andon.permits import Permits, every_s
from andon.quantities import format_duration

DEAL_S = LEARN_S
"""How long the first actions of a trial wait for the monitor's first deal."""


class Allowance:
    """The permits of a trial that are granted to this guard. To be used under its gate's lock.

    Where they are `dealt`, the monitor grants them period by period, and what is left at the end of
    a period lapses: without a monitor there are none. Else all permits of a command are the
    guard's own.
    """

    def __init__(self, *, dealt: bool) -> None:
        self.dealt = dealt
        self.heard: Future[None] = Future()
        self._place = (0, -1)
        self.begin(None)

    def begin(self, command: Command | None) -> None:
        """Go by this command from now on."""
        self._tell()
        self.heard = Future()
        self._command = command
        self._generation = command.generation if command else 0
        self.limited = command is not None and command.permits is not None
        self._granted = self._left = 0
        self._until_s = self._due_s = -math.inf
        self.wants = 0
        if command is not None and self.limited:
            self._due_s = time.monotonic() + DEAL_S
            if not self.dealt:
                self._give(command.permits or 0, math.inf)

    def grant(self, permits: Permits, guard: str) -> None:
        """Take what was dealt to `guard`, once; what was granted before lapses."""
        command = self._command
        if command is None or permits.generation != self._generation:
            return
        if permits.place > self._place:
            self._place, self.wants = permits.place, 0
            self._give(permits.grants.get(guard, 0), time.monotonic() + every_s(command))

    def forked(self) -> None:
        """In a forked child, which is another guard: nothing was dealt to it."""
        self._place = (0, -1)
        self.begin(self._command)

    @property
    def left(self) -> int:
        """How many actions may run still."""
        return self._left if time.monotonic() < self._until_s else 0

    @property
    def due_in_s(self) -> float:
        """How long it is worth waiting for the first deal; 0 where it is there, or late."""
        waits = self.limited and self.dealt and not self.heard.done()
        return max(0.0, self._due_s - time.monotonic()) if waits else 0.0

    def take(self) -> None:
        """One action runs."""
        self._left -= 1

    def why_not(self) -> str:
        """Why no action may run now, for people."""
        if not self.dealt:
            return f"this guard has used its {self._granted} permits"
        assert self._command is not None
        every = format_duration(every_s(self._command))
        if self._granted and time.monotonic() < self._until_s:
            return f"this guard has used its {self._granted} permits; new ones come every {every}"
        return f"this guard waits for a permit of the monitor; they are dealt every {every}"

    def _give(self, permits: int, until_s: float) -> None:
        self._granted = self._left = permits
        self._until_s = until_s
        self._tell()

    def _tell(self) -> None:
        if not self.heard.done():
            self.heard.set_result(None)
