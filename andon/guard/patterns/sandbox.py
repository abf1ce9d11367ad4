"""Rehearsals: an action is run against a staging callable, and shows what would have happened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from andon.guard.attempt import Attempt


@dataclass(frozen=True)
class Rehearsal:
    """What came of it: `result` of the sandbox, `objections` of the guardrails, and the event."""

    result: Any
    objections: tuple[str, ...]
    event_id: str
    promote: Callable[[], Any]
    """Runs it for real with the same arguments, through all guardrails."""


def rehearsal(attempt: Attempt, result: Any) -> Any:
    """A Rehearsal; an awaitable one of an awaitable result."""
    if isinstance(result, Awaitable):
        return _awaited(attempt, result)
    assert attempt.guarded is not None
    assert attempt.call is not None
    found = attempt.admission.findings if attempt.admission else ()
    return Rehearsal(
        result=result,
        objections=tuple(map(str, found)),
        event_id=attempt.event_id,
        promote=partial(attempt.guarded, *attempt.call.args, **attempt.call.kwargs),
    )


async def _awaited(attempt: Attempt, result: Awaitable[Any]) -> Any:
    return rehearsal(attempt, await result)
