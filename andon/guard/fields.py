"""The fields of an event that an application fills in, and how each is made fit for the wire."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypedDict

REASON_MAX = 500
_COUNTED = (list, tuple, set, frozenset)


class Fields(TypedDict, total=False):
    """What an application may tell about one action. `value` is money, in units of `currency`."""

    target: object
    value: float | Decimal | None
    currency: str | None
    recipients: object
    run: object
    step: int | None
    reason: object
    decision: Mapping[str, Any] | None
    labels: Mapping[str, Any] | None


def text(value: object, length: int) -> str:
    """At most so many characters, all of them fit for UTF-8 (agents do make lone surrogates)."""
    whole = str(value)[:length]
    return whole if whole.isascii() else whole.encode(errors="replace").decode()


def _text(length: int) -> Callable[[Any], str]:
    return lambda value: text(value, length)


def _count(value: Any) -> int:
    """A number, or the members of a collection: `to=["a@x", "b@x"]` reaches two people."""
    return len(value) if isinstance(value, _COUNTED) else operator.index(value)


def _reason(value: Any) -> str:
    if isinstance(value, BaseException):
        return text(f"{type(value).__name__}: {value}", REASON_MAX)
    return text(value, REASON_MAX)


def _snapshot(value: Any) -> Any:
    """A copy: agents go on changing the objects that they decided upon."""
    return json.loads(json.dumps(dict(value), default=str))


SHAPES: dict[str, Callable[[Any], object]] = {
    "target": _text(500),
    "value": float,
    "currency": str,
    "recipients": _count,
    "run": _text(200),
    "step": operator.index,
    "reason": _reason,
    "decision": _snapshot,
    "labels": _snapshot,
}
"""Field to conversion. A conversion that raises costs the event that field, never the event."""
