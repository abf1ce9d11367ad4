"""The decision trace of an audited action: saw, decided, executed, outcome."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from andon.guard.patterns.canonical import HIDDEN, readable
from andon.guard.patterns.reviews import arguments_of

if TYPE_CHECKING:
    from andon.guard.attempt import Attempt

SHOWN_MAX = 2_000
"""How many characters of one argument or result are kept."""


def trace_of(
    attempt: Attempt, event: Mapping[str, Any], decided: Mapping[str, Any]
) -> dict[str, Any]:
    """The four parts; what was refused was not executed."""
    hide = attempt.options.hide if attempt.options else ()
    return {
        "saw": _saw(attempt, hide),
        "decided": decided,
        "executed": None if attempt.refused else _executed(attempt),
        "outcome": _outcome(attempt, event, hide),
    }


def merged(trace: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The trace, and what the automation itself told of its decision: nothing of that is lost."""
    whole = {**given, **trace}
    for part in trace.keys() & given.keys():
        own = given[part] if isinstance(given[part], dict) else {"told": given[part]}
        whole[part] = {**(trace[part] or {}), **own}
    return whole


def name_of(function: Callable[..., Any]) -> str:
    """`module:qualified.name`."""
    module = getattr(function, "__module__", "?")
    return f"{module}:{getattr(function, '__qualname__', repr(function))}"


def _saw(attempt: Attempt, hide: Collection[str]) -> dict[str, Any]:
    """The arguments as people may read them, long ones cut; none where the call did not fit."""
    try:
        shown = readable(arguments_of(attempt), hide)
    except TypeError:
        return {}
    return {"arguments": {name: _short(value) for name, value in shown.items()}}


def _executed(attempt: Attempt) -> dict[str, Any]:
    """What was called, and how it can be undone, by names that can be imported if any can."""
    undo = attempt.options.undo if attempt.options else None
    called = attempt.instead or getattr(attempt.guarded, "__wrapped__", None)
    named = {"function": called and name_of(called), "undo": undo and name_of(undo)}
    return {part: name for part, name in named.items() if name}


def _outcome(attempt: Attempt, event: Mapping[str, Any], hide: Collection[str]) -> dict[str, Any]:
    """How it ended, and what it returned where it returned something."""
    ended = {"outcome": str(event["outcome"]), "reason": event.get("reason")}
    if attempt.call is not None and attempt.call.returned:
        shown = readable({"result": attempt.call.result}, hide)["result"]
        ended["result"] = _short(shown)
    return {part: value for part, value in ended.items() if value is not None}


def _short(value: Any) -> Any:
    if value == HIDDEN:
        return value
    told = json.dumps(value, ensure_ascii=False)
    return value if len(told) <= SHOWN_MAX else told[:SHOWN_MAX] + "…"
