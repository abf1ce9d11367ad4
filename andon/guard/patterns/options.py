"""The options of a decorated action that are patterns, checked where it is decorated."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict, TypeVar

from pydantic import BaseModel, ValidationError

from andon.events import Event
from andon.guard.extract import Sources
from andon.guard.patterns.limits import Ceiling
from andon.guard.patterns.reviews import Review
from andon.limit import Limit, Scope

M = TypeVar("M", bound=BaseModel)


class Patterns(TypedDict, total=False):
    """Patterns, in the words of a policy: `limits=[{"value": 2000, "currency": "USD"}]`."""

    limits: Sequence[Limit | Mapping[str, Any]]
    scope: Scope | Mapping[str, Any]
    review: Review | Mapping[str, Any] | bool
    sandbox: Callable[..., Any]
    undo: Callable[[Event], Any]
    backlog: bool
    audit: bool
    hide: Collection[str]


class ActionOptions(Sources, Patterns, total=False):
    """Where an event's fields come from, and the patterns that an action follows."""


class Options(NamedTuple):
    """What an action asks for itself, beside what policies say."""

    ceilings: tuple[Ceiling, ...] = ()
    scope: Scope = Scope()
    review: Review | None = None
    sandbox: Callable[..., Any] | None = None
    undo: Callable[[Event], Any] | None = None
    backlog: bool = False
    audit: bool = False
    hide: frozenset[str] = frozenset()


def split(given: ActionOptions) -> tuple[Options | None, dict[str, object]]:
    """The patterns, None where there are none, and the sources of fields.

    Raises:
        ValueError: a pattern's option cannot be; names it.
    """
    sources: dict[str, object] = {**given}
    patterns = {name: sources.pop(name) for name in Patterns.__annotations__ if name in sources}
    return (_options(given) if patterns else None), sources


def _options(given: ActionOptions) -> Options:
    review = given.get("review", False)
    return Options(
        ceilings=tuple(
            Ceiling.of(read(Limit, limit, f"limits[{place}]"))
            for place, limit in enumerate(given.get("limits", ()))
        ),
        scope=read(Scope, given.get("scope", {}), "scope"),
        review=read(Review, {} if review is True else review, "review") if review else None,
        sandbox=given.get("sandbox"),
        undo=given.get("undo"),
        backlog=given.get("backlog", False),
        audit=given.get("audit", True),
        hide=frozenset(given.get("hide", ())),
    )


def read(model: type[M], given: M | Mapping[str, Any], name: str) -> M:
    """An option in the words of a policy. Raises ValueError, which names each mistake."""
    if isinstance(given, model):
        return given
    try:
        return model.model_validate(dict(given))
    except (TypeError, ValidationError) as error:
        raise ValueError("; ".join(_mistakes(error, name))) from None


def _mistakes(error: Exception, name: str) -> list[str]:
    if not isinstance(error, ValidationError):
        return [f"{name}: must be a mapping, in the words of a policy"]
    return [
        f"{'.'.join([name, *map(str, problem['loc'])])}: "
        f"{problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors(include_url=False)
    ]
