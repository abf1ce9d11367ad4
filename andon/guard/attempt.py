"""One action as it happens: a context manager, sync and async, that ends in exactly one event."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from andon.errors import AndonError
from andon.events import Capability, Outcome
from andon.guard.fields import SHAPES
from andon.guard.steps import Steps, walk, walk_async
from andon.ids import uuid7

if TYPE_CHECKING:
    from andon.guard.extract import Call
    from andon.guard.patterns.options import Options
    from andon.guard.patterns.proposal import Finding
    from andon.guard.patterns.rails import Admission
    from andon.guard.recorder import Recorder

_current: ContextVar[Attempt | None] = ContextVar("andon_attempt", default=None)


def current_attempt() -> Attempt | None:
    """The innermost attempt that runs in this thread or task: to set its fields from within."""
    return _current.get()


class Refused(NamedTuple):
    """An attempt that may not run: what its caller gets, and what is told of it."""

    error: AndonError
    event: dict[str, Any]


class Attempt:
    """One action. Made by `Guard.attempt` and `@Guard.action`; enter it once.

    Entering raises BreakerOpen where the workflow is paused, LimitExceeded where a guardrail
    refuses. Until it is left, any field may be set; `outcome` too, which otherwise is `error`
    where an exception leaves the block, `denied` where that is one of those two, and `success`
    where none does. `event_id` is what `Guard.reversed` wants to know later.
    """

    target: object = None
    value: object = None
    currency: str | None = None
    recipients: object = None
    run: object = None
    step: int | None = None
    reason: object = None
    decision: object = None
    labels: object = None
    outcome: Outcome | str | None = None
    mode: str | None = None
    options: Options | None = None
    call: Call | None = None
    guarded: Callable[..., Any] | None = None
    instead: Callable[..., Any] | None = None
    rehearsed_for: Sequence[Finding] = ()
    refused = False
    held: str | None = None
    released: str | None = None
    admission: Admission | None = None

    def __init__(
        self, recorder: Recorder, capability: Capability, action: str, fields: Mapping[str, object]
    ) -> None:
        if not fields.keys() <= SHAPES.keys():
            unknown, known = min(fields.keys() - SHAPES.keys()), ", ".join(SHAPES)
            raise TypeError(f"an event has no field {unknown!r} to fill in; use of {known}")
        self.__dict__.update(fields)
        self.event_id = uuid7()
        self.capability = capability
        self.action = action
        self._recorder = recorder
        self._outer: Token[Attempt | None] | None = None

    def __enter__(self) -> Self:
        if self._enter() and (refused := walk(self._admit())):
            self._recorder.emit(refused.event)
            raise refused.error
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._recorder.emit(self._leave(error))

    async def __aenter__(self) -> Self:
        if self._enter() and (refused := await walk_async(self._admit())):
            await self._recorder.emit_async(refused.event)
            raise refused.error
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        await self._recorder.emit_async(self._leave(error))

    def settle(self) -> None:
        """Leave without an event, where somebody else tells it: its fields and outcome are set."""
        self._leave(None)

    def _enter(self) -> bool:
        """Begin; True where something may stand in the way."""
        if self._outer is not None:
            raise RuntimeError("an attempt is one action and one event: make another one")
        self._outer = _current.set(self)
        return self._recorder.begin(self)

    def _admit(self) -> Steps[Refused | None]:
        admitted = False
        try:
            refused = yield from self._recorder.admit(self)
            admitted = refused is None
            return refused
        finally:
            if not admitted:
                self._recorder.abandon(self)
                self._restore()

    def _leave(self, error: BaseException | None) -> dict[str, Any]:
        self._restore()
        return self._recorder.end(self, error)

    def _restore(self) -> None:
        assert self._outer is not None
        # An async generator may be closed in another context than it was begun in.
        with contextlib.suppress(ValueError):
            _current.reset(self._outer)
