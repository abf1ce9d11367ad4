"""The decorator's half of an action: fields from a call, and an outcome from what came of it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from andon.events import Capability, Mode, Outcome
from andon.guard.attempt import Attempt
from andon.guard.extract import Call, Extractor, NoResult, extractors
from andon.guard.patterns.options import Options
from andon.guard.patterns.sandbox import rehearsal
from andon.guard.tally import Tally

if TYPE_CHECKING:
    from andon.guard.patterns.held import HeldCall
    from andon.guard.recorder import Recorder

P = ParamSpec("P")
R = TypeVar("R")
Verdict = Outcome | str | tuple[Outcome | str, str | None] | None
Classify = Callable[[Any], Verdict]

ACTION = "__andon_action__"
"""Where a guarded function keeps its Action."""


class Action:
    """One decorated function. Raises ValueError or TypeError where it cannot be guarded so."""

    def __init__(
        self,
        recorder: Recorder,
        tally: Tally,
        capability: Capability,
        name: str,
        function: Callable[..., Any],
        classify: Classify | None,
        sources: Mapping[str, object],
        options: Options | None,
    ) -> None:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{function.__qualname__} is a generator, which returns before it acts: "
                f'use `with guard.attempt("{capability}", "{name}"):` inside it'
            )
        self._recorder = recorder
        self._tally = tally
        self._capability = capability
        self._name = name
        self._classify = classify
        self._options = options
        self._guarded: Callable[..., Any]
        self._carry_out: Callable[[Call, Attempt], Any]
        self._signature = inspect.signature(function)
        self._extractors = extractors(self._signature, sources)

    def wrap(self, function: Callable[P, R]) -> Callable[P, R]:
        """The function, guarded; a coroutine function stays one."""
        acts = self._acts(function)
        made = self._async(acts) if _is_async(function) else self._sync(acts)
        self._guarded = functools.wraps(function)(made)
        setattr(self._guarded, ACTION, self)
        return self._guarded

    def rehearse(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the sandbox instead; a Rehearsal, to be awaited where the function is."""
        if self._options is None or self._options.sandbox is None:
            raise TypeError(f"{self._name} has no sandbox: give one, as in sandbox=staging.refund")
        call = Call(self._signature, args, kwargs)
        attempt = self._attempt(call)
        attempt.mode, attempt.instead = Mode.SANDBOX, self._options.sandbox
        return rehearsal(attempt, self._carry_out(call, attempt))

    def again(self, held: HeldCall) -> tuple[Attempt, Callable[[], Any]]:
        """A held call once more: an attempt of its own, and what runs it."""
        first = held.attempt.call
        assert first is not None
        call = Call(self._signature, first.args, first.kwargs)
        attempt = self._attempt(call)
        attempt.held = held.id
        attempt.released = f"released from the backlog after {held.held_for}"
        return attempt, functools.partial(self._carry_out, call, attempt)

    def _acts(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """What is called: the sandbox, where all of the guard's actions are rehearsed."""
        sandbox = self._options.sandbox if self._options else None
        if sandbox is None:
            return function
        if _is_async(sandbox) != _is_async(function):
            raise TypeError(f"sandbox: must be a coroutine function where {self._name} is one")
        return sandbox if self._recorder.mode == Mode.SANDBOX else function

    def _sync(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            call = Call(self._signature, args, kwargs)
            return carry_out(call, self._attempt(call))

        def carry_out(call: Call, attempt: Attempt) -> Any:
            later = self._fill(attempt, call, self._extractors)
            with attempt:
                try:
                    call.result = (attempt.instead or function)(*call.args, **call.kwargs)
                except Exception as error:
                    self._conclude(attempt, call, later, error)
                    raise
                self._conclude(attempt, call, later, call.result)
            if attempt.rehearsed_for:
                raise self._recorder.sandboxed(attempt, call.result)
            return call.result

        self._carry_out = carry_out
        return guarded

    def _async(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def guarded(*args: Any, **kwargs: Any) -> Any:
            call = Call(self._signature, args, kwargs)
            return await carry_out(call, self._attempt(call))

        async def carry_out(call: Call, attempt: Attempt) -> Any:
            later = self._fill(attempt, call, self._extractors)
            async with attempt:
                try:
                    call.result = await (attempt.instead or function)(*call.args, **call.kwargs)
                except Exception as error:
                    self._conclude(attempt, call, later, error)
                    raise
                self._conclude(attempt, call, later, call.result)
            if attempt.rehearsed_for:
                raise self._recorder.sandboxed(attempt, call.result)
            return call.result

        self._carry_out = carry_out
        return guarded

    def _attempt(self, call: Call) -> Attempt:
        attempt = Attempt(self._recorder, self._capability, self._name, {})
        attempt.call = call
        attempt.guarded = self._guarded
        if self._options is not None:
            attempt.options = self._options
        return attempt

    def _conclude(
        self, attempt: Attempt, call: Call, later: list[Extractor], ending: object
    ) -> None:
        self._fill(attempt, call, [each for each in later if getattr(attempt, each.field) is None])
        if self._classify and attempt.outcome is None:
            try:
                attempt.outcome, reason = _verdict(self._classify(ending))
            except Exception as error:
                self._tally.fault("classifier", f"of {self._name}", error)
            else:
                attempt.reason = reason if attempt.reason is None else attempt.reason

    def _fill(self, attempt: Attempt, call: Call, sources: list[Extractor]) -> list[Extractor]:
        """Set fields; returns the extractors that asked for a result that is not there."""
        later = []
        for extractor in sources:
            try:
                setattr(attempt, extractor.field, extractor.get(call))
            except NoResult:
                later.append(extractor)
            except Exception as error:
                self._tally.fault("extractor", f"{extractor.field} of {self._name}", error)
        return later


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        type(function).__call__
    )


def _verdict(verdict: Verdict) -> tuple[Outcome | None, str | None]:
    outcome, reason = verdict if isinstance(verdict, tuple) else (verdict, None)
    return (None if outcome is None else Outcome(outcome)), reason
