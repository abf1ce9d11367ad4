"""What a guard obeys: the newest command of its workflow, and what it does without one."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

from andon.alert_text import resume_command
from andon.breaker import Breaker, State
from andon.commands import Command
from andon.errors import AndonError, BreakerOpen
from andon.events import format_ts
from andon.guard.allowance import Allowance
from andon.guard.steps import Wait
from andon.permits import Permits
from andon.scope_names import scope_of

if TYPE_CHECKING:
    from andon.guard.attempt import Attempt
    from andon.guard.scopes import Scopes

Fail = Literal["careful", "open", "closed"]
Clock = Callable[[], datetime]


class Refusal(NamedTuple):
    """Why an action may not run: `error` for its caller, `reason` for its event.

    `stale`: nothing is against it but that the state is not known.
    """

    error: AndonError
    reason: str
    stale: bool = False


class Gate:
    """Thread-safe. `barred` is False while every action may pass: the one read of the hot path.

    The highest generation wins; lower or equal ones change nothing. A pause holds until a command
    ends it: neither losing the broker nor its `expires_at`, which is for the monitor, lifts one. So
    a command that would lift a pause, and is heard after its own `expires_at`, does not.

    The state is stale until it was heard once, and again `stale_after_s` after the broker was
    lost, for `fail="closed"` at once. Then `fail` decides: `open` goes by the last known state,
    `closed` refuses, `careful` refuses where it is asked to.

    `scopes` are the breakers that stand beside this one; it is barred as soon as one of them is.
    The permits of a workflow's trial are those that the monitor grants to this guard; on trial of a
    scope, which many workflows share, every guard has all of them.
    """

    def __init__(
        self,
        workflow: str,
        fail: Fail,
        clock: Clock,
        *,
        stale_after_s: float = 0.0,
        scopes: Scopes | None = None,
    ) -> None:
        self._workflow = workflow
        self._scopes = scopes
        self._fail = fail
        self._clock = clock
        self._stale_after_s = stale_after_s
        self._command: Command | None = None
        self._allowance = Allowance(dealt=scope_of(workflow) is None)
        self._on_first_use: list[Callable[[], None]] = []
        self._lost_at = -math.inf
        self.connected = False
        self.learned: Future[None] = Future()
        self._unlock()

    def obey(self, command: Command) -> bool:
        """Take a command; False where a newer one is already obeyed."""
        with self._lock:
            if self._scopes and self._scopes.concern(command.workflow):
                obeyed = self._scopes.obey(command)
                self._settle()
                return obeyed
            if self._command is not None and command.generation <= self._command.generation:
                return False
            if self.state.state.refuses and self._too_late(command):
                return False
            self._command = command
            self._allowance.begin(command)
            self._settle()
            return True

    def grant(self, permits: Permits, guard: str) -> None:
        """Take what the monitor has dealt to `guard` on trial."""
        with self._lock:
            self._allowance.grant(permits, guard)

    @property
    def on_trial(self) -> bool:
        """Whether permits are needed."""
        return self.state.state is State.HALF_OPEN and self._allowance.limited

    @property
    def wants(self) -> int:
        """How many actions were refused for want of a permit since the last deal."""
        return self._allowance.wants

    def deal(self) -> Wait | None:
        """What an action waits for before it is judged: the first deal of a trial."""
        with self._lock:
            due_in_s = self._allowance.due_in_s if self.on_trial else 0.0
            return Wait(self._allowance.heard, due_in_s) if due_in_s else None

    def hears(self, connected: bool) -> None:
        """Whether commands would arrive now. The first time tells those who wait for `learned`."""
        with self._lock:
            if self.connected and not connected:
                self._lost_at = time.monotonic()
            self.connected = connected
            self._settle()
            if not self.learned.done():
                self.learned.set_result(None)

    def closes(self, careful: bool) -> bool:
        """Whether an action must not run while the state is stale."""
        return careful if self._fail == "careful" else self._fail == "closed"

    @property
    def stale(self) -> bool:
        """Whether the state is not known, or was heard too long ago to go by it."""
        if self.connected:
            return False
        lost_for_s = time.monotonic() - self._lost_at
        return self._fail == "closed" or lost_for_s >= self._stale_after_s

    def judge(
        self, attempt: Attempt | None = None, *, take: bool, careful: bool = False
    ) -> Refusal | None:
        """Why an action may not run now, or None. `take` uses up a permit of the trial.

        Of the scopes of targets and tenants those of `attempt` are asked.
        """
        self.wake()
        with self._lock:
            if self.stale and self.closes(careful):
                return self._deaf()
            self._settle()
            command, state = self._command, self.state.state
            if command is not None and state.refuses:
                return self._paused(command)
            limited = self.on_trial
            if command is not None and limited and not self._allowance.left:
                return self._spent(command, attempt is not None)
            if self._scopes and (refusal := self._scopes.judge(attempt, take=take)):
                return refusal
            if limited and take:
                self._allowance.take()
            return None

    def of(self, workflow: str) -> Breaker:
        """The state obeyed of the workflow, or of a scope."""
        if self._scopes and workflow != self._workflow:
            return self._scopes.of(workflow)
        return self.state

    @property
    def state(self) -> Breaker:
        """The state obeyed and its generation; CLOSED, 0 before any command was heard."""
        command = self._command
        if command is None:
            return Breaker()
        return Breaker(command.state, command.generation)

    def forked(self, on_first_use: Callable[[], None]) -> None:
        """In a forked child: keep what is obeyed, and call back before the first action."""
        self.connected = False
        self.learned = Future()
        self._on_first_use = [on_first_use]
        if self._scopes:
            self._scopes.forked()
        self._allowance.forked()
        self._unlock()

    def wake(self) -> None:
        """Before the first action in a forked child: have the commands heard."""
        if not self._on_first_use:
            return
        with self._lock:
            starts = list(self._on_first_use)
            self._on_first_use.clear()
            self._settle()
        for start in starts:
            start()

    def _too_late(self, command: Command) -> bool:
        over = command.expires_at is not None and command.expires_at <= self._clock()
        return over and not command.state.refuses

    def _unlock(self) -> None:
        self._lock = threading.Lock()
        self._settle()

    def _settle(self) -> None:
        state = self.state.state
        trial = state is State.HALF_OPEN and self._allowance.limited
        held = self._scopes is not None and self._scopes.barred
        waiting = not self.connected or bool(self._on_first_use)
        self.barred = state.refuses or trial or held or waiting

    def _paused(self, command: Command) -> Refusal:
        resume = f"Resume with: {resume_command(self._workflow)}"
        if command.expires_at:
            resume += f", or wait for its trial at {format_ts(command.expires_at)}"
        reason = f"paused, generation {command.generation}"
        return self._refusal(command.reason.text, reason, resume, command)

    def _spent(self, command: Command, in_vain: bool) -> Refusal:
        self._allowance.wants += in_vain
        text = f"it is on trial: {self._allowance.why_not()}"
        reason = f"on trial, no permit left, generation {command.generation}"
        return self._refusal(text, reason, "It runs again when the trial is passed", command)

    def _deaf(self) -> Refusal:
        text = "no commands are heard, so its state is not known, and this guard fails closed"
        refusal = self._refusal(text, "state not known", "It runs again when a broker answers")
        return refusal._replace(stale=True)

    def _refusal(
        self, text: str, reason: str, resume: str, command: Command | None = None
    ) -> Refusal:
        if scope := scope_of(self._workflow):
            reason = f"{scope} {reason}"
        since = command.issued_at if command else None
        generation = command.generation if command else 0
        error = BreakerOpen(
            self._workflow, reason=text, since=since, resume=resume, generation=generation
        )
        return Refusal(error, reason)
