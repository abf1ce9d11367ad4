"""Where a decorated function's event fields come from: its arguments, its result, a constant.

One rule. A string names a place: a parameter, or `result`, each with an optional dotted path
(`order.total`, `result.id`). Three capital letters in `currency` are the code itself. A number
is a constant. Anything callable is called with the `Call`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple, TypedDict

from andon.guard.fields import SHAPES

_CURRENCY = re.compile(r"[A-Z]{3}")
_PLACE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_NONE = object()


class NoResult(LookupError):  # noqa: N818  not a failure: it is told to nobody
    """The result was asked for and there is none: not yet, or the action failed or was refused."""


class Call:
    """One call of a decorated function, as callables for fields and classifiers see it."""

    def __init__(
        self, signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._signature = signature
        self._result: object = _NONE
        self.args = args
        self.kwargs = kwargs

    @cached_property
    def arguments(self) -> Mapping[str, Any]:
        """By parameter name, defaults included. Raises TypeError where the call does not fit."""
        bound = self._signature.bind(*self.args, **self.kwargs)
        bound.apply_defaults()
        return bound.arguments

    @property
    def returned(self) -> bool:
        """Whether there is a result."""
        return self._result is not _NONE

    @property
    def result(self) -> Any:
        """What the function returned. A field that asks for it is left out where there is none."""
        if not self.returned:
            raise NoResult("the action has not returned")
        return self._result

    @result.setter
    def result(self, result: object) -> None:
        self._result = result


Get = Callable[[Call], object]
Source = str | float | Decimal | Get | None


class Sources(TypedDict, total=False):
    """Where each field of an event comes from, see the rule of this module."""

    target: Source
    value: Source
    currency: Source
    recipients: Source
    run: Source
    step: Source
    reason: Source
    decision: Source
    labels: Source


class Extractor(NamedTuple):
    """One field and how to get it."""

    field: str
    get: Get


def extractors(signature: inspect.Signature, sources: Mapping[str, object]) -> list[Extractor]:
    """The sources, checked once, where the function is decorated.

    Raises:
        ValueError: a source cannot be; names the field and what it may be.
    """
    for field in sources:
        if field not in SHAPES:
            raise ValueError(f"{field}: is no field of an event; use of {', '.join(SHAPES)}")
    if sources.get("value") is not None and sources.get("currency") is None:
        raise ValueError('currency: is required with value, as in currency="USD"')
    return [
        Extractor(field, _getter(field, source, signature))
        for field, source in sources.items()
        if source is not None
    ]


def _getter(field: str, source: object, signature: inspect.Signature) -> Get:
    if isinstance(source, str):
        if field == "currency" and _CURRENCY.fullmatch(source):
            return lambda call: source
        return _place(field, source, signature)
    if isinstance(source, int | float | Decimal):
        return lambda call: source
    if callable(source):
        return source
    raise ValueError(f"{field}: must be a name, a number or a callable, not {source!r}")


def _place(field: str, source: str, signature: inspect.Signature) -> Get:
    root, *path = source.split(".")
    if not _PLACE.fullmatch(source) or (root != "result" and not _takes(signature, root)):
        known = ", ".join([*signature.parameters, "result"])
        raise ValueError(
            f"{field}: {source!r} starts with no parameter of the function (it has {known}); "
            f"for a constant text give a callable, as in lambda call: {source!r}"
        )
    get = _argument(signature, root) if root in signature.parameters else _elsewhere(root)
    return _along(get, path) if path else get


def _takes(signature: inspect.Signature, name: str) -> bool:
    return name in signature.parameters or any(
        parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values()
    )


def _elsewhere(root: str) -> Get:
    if root == "result":
        return lambda call: call.result
    return lambda call: call.kwargs[root]


def _argument(signature: inspect.Signature, name: str) -> Get:
    """Reads one argument without binding the whole call, which costs ten times as much."""
    parameter = signature.parameters[name]
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        return lambda call: call.arguments[name]
    place = list(signature.parameters).index(name)
    keyword_only = parameter.kind is parameter.KEYWORD_ONLY
    default = parameter.default

    def get(call: Call) -> object:
        if not keyword_only and place < len(call.args):
            return call.args[place]
        argument = call.kwargs.get(name, default)
        if argument is inspect.Parameter.empty:
            raise LookupError(f"the call has no argument {name!r}")
        return argument

    return get


def _along(get: Get, path: list[str]) -> Get:
    def walk(call: Call) -> object:
        value = get(call)
        for name in path:
            value = value[name] if isinstance(value, Mapping) else getattr(value, name)
        return value

    return walk
