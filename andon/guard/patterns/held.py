"""One call that a pause has refused and the guard has kept, as its caller holds it."""

from __future__ import annotations

import asyncio
import inspect
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextvars import copy_context
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from andon.errors import BreakerOpen, Held
from andon.guard.action import ACTION
from andon.guard.steps import Steps, Wait, walk, walk_async
from andon.quantities import format_duration

if TYPE_CHECKING:
    from andon.guard.attempt import Attempt

LOOK_EVERY_S = 0.2
"""How often it is looked whether what is waited for has come."""


class Fate(StrEnum):
    """What became of a call that is held, up to now."""

    HELD = "held"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    DROPPED = "dropped"


class HeldCall:
    """A ticket for it. It runs in the context of its caller: the same context variables, and a
    coroutine function in the same loop, while that runs.
    """

    def __init__(
        self, attempt: Attempt, refusal: BreakerOpen, drop: Callable[[HeldCall, str], bool]
    ) -> None:
        self.id = secrets.token_hex(6)
        self.attempt = attempt
        self.standing = Fate.HELD
        self._drop = drop
        self._since = time.monotonic()
        self.context = copy_context()
        try:
            self.loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self.loop = None
        self.error: BaseException | None = None
        self._refusal = refusal
        self._value: object = None
        self._ended: Future[None] = Future()

    @property
    def held_for(self) -> str:
        """How long ago it was refused, for people."""
        return format_duration(int(time.monotonic() - self._since))

    def wait(self, timeout_s: float) -> Fate:
        """Wait until it has run or was dropped; where it stands then."""
        return walk(self._settled(timeout_s))

    async def wait_async(self, timeout_s: float) -> Fate:
        """The same without blocking the loop."""
        return await walk_async(self._settled(timeout_s))

    def result(self) -> Any:
        """What it returned.

        Raises:
            Held: it has not run, or was dropped.
            Exception: the one that it raised, or LimitExceeded where a guardrail refused it.
        """
        if self.error is not None:
            raise self.error
        if self.standing is not Fate.DONE:
            raise self.refusal()
        return self._value

    def refusal(self) -> Held:
        """What its caller is told: made anew, as one that was raised holds on to its frames."""
        return Held(self._refusal, ticket=self)

    def drop(self) -> bool:
        """Its caller has found another way; False where it runs already, or has run."""
        return self._drop(self, "its caller gave it up")

    def end(self, fate: Fate, value: object = None, error: BaseException | None = None) -> None:
        """It is over, and those who wait for it go on."""
        self._value, self.error, self.standing = value, error, fate
        self._ended.set_result(None)

    def _settled(self, timeout_s: float) -> Steps[Fate]:
        yield Wait(self._ended, timeout_s)
        return self.standing

    def __repr__(self) -> str:
        return f"<HeldCall {self.id} of {self.attempt.action}: {self.standing}>"


def run(call: HeldCall) -> bool:
    """Run it in this thread; never raises. False where a breaker refuses it again.

    For the backlog alone, which sees to it that a call runs once.
    """
    attempt, act = getattr(call.attempt.guarded, ACTION).again(call)
    try:
        value = call.context.run(_called, act, call.loop)
    except BaseException as error:  # it is the caller's, whose ticket tells it
        if attempt.refused and isinstance(error, BreakerOpen):
            return False
        call.end(Fate.FAILED, error=error)
    else:
        call.end(Fate.DONE, value)
    return True


def _called(act: Callable[[], Any], loop: asyncio.AbstractEventLoop | None) -> Any:
    if not inspect.iscoroutinefunction(act):
        return act()
    if loop is not None and loop.is_running():
        coroutine = act()
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        while not future.done() and not loop.is_closed():
            wait([future], LOOK_EVERY_S)
        if future.done():
            return future.result()
        if inspect.getcoroutinestate(coroutine) != inspect.CORO_CREATED:
            raise RuntimeError("its event loop was closed while it ran")
        coroutine.close()
    return asyncio.run(act())
