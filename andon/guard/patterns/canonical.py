"""One text for the same arguments, so that an approval can be bound to exactly them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Collection, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from andon.guard.tally import told

HIDDEN = "(hidden)"
_PLAIN = (date, time, timedelta, Decimal, UUID, PurePath)  # datetime is a date


def canonical(arguments: Mapping[str, object]) -> str:
    """JSON with sorted keys, without blanks. Values that differ, or differ in type, differ here.

    Raises:
        ValueError: a value has no such form; names the argument and what to do.
    """
    form = {name: _form(value, name) for name, value in arguments.items()}
    return json.dumps(form, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest_of(text: str) -> str:
    """SHA-256, in hex digits."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def readable(arguments: Mapping[str, object], hide: Collection[str]) -> dict[str, Any]:
    """The arguments for people and records: what has no canonical form as the text it is shown as,
    what is to be hidden not at all."""
    return {name: HIDDEN if name in hide else _readable(value) for name, value in arguments.items()}


def _readable(value: object) -> Any:
    try:
        return json.loads(json.dumps(value, default=_shown))
    except Exception:  # it refers to itself, or has keys that are no text
        return told(value)


def _form(value: object, name: str) -> Any:
    if value is None or (isinstance(value, str | bool | int) and not isinstance(value, Enum)):
        return value
    if isinstance(value, float):
        return _number(value, name)
    if isinstance(value, _PLAIN):
        return _tagged(value, str(value))
    if isinstance(value, bytes | bytearray):
        return _tagged(value, bytes(value).hex())
    if isinstance(value, Enum):
        return _tagged(value, value.name)
    if isinstance(value, Mapping):
        return _mapping(value, name)
    if isinstance(value, list | tuple):
        return [_form(item, f"{name}[{place}]") for place, item in enumerate(value)]
    if isinstance(value, set | frozenset):
        return _tagged(value, sorted(json.dumps(_form(item, name)) for item in value))
    if isinstance(value, BaseModel):
        return _tagged(value, _mapping(dict(value), name))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
        return _tagged(value, _mapping(fields, name))
    kind = type(value).__qualname__
    raise ValueError(
        f"{name}: a {kind} cannot be bound to an approval; pass plain values (text, numbers, "
        "dates, lists, dicts, dataclasses, pydantic models), such as its id"
    )


def _number(value: float, name: str) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{name}: {value} cannot be bound to an approval; pass a finite number")
    return value


def _mapping(value: Mapping[Any, object], name: str) -> dict[str, Any]:
    if wrong := next((key for key in value if not isinstance(key, str)), None):
        raise ValueError(
            f"{name}: the key {wrong!r} is no text, and cannot be bound to an approval"
        )
    return {key: _form(item, f"{name}.{key}") for key, item in value.items()}


def _tagged(value: object, form: object) -> dict[str, object]:
    """A value that JSON has no type for: no plain dict looks so by chance."""
    return {f"\0{type(value).__qualname__}": form}


def _shown(value: object) -> object:
    if isinstance(value, BaseModel):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    return str(value)
