"""Globs in a policy: one or a list, of which one must match."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from andon.events import By, Capability, Outcome


def matches(globs: Sequence[str], value: str | None) -> bool:
    """True where one of `globs` matches or is the value itself; null matches none."""
    if value is None or "*" in globs or value in globs:
        return value is not None
    return any(fnmatchcase(value, glob) for glob in globs)


def as_list(value: object) -> object:
    """A text alone stands for a list of one."""
    return [value] if isinstance(value, str) else value


def one_or_more(item: dict[str, Any]) -> WithJsonSchema:
    """The JSON Schema of a field that `as_list` reads."""
    listed = {"type": "array", "items": item, "minItems": 1}
    return WithJsonSchema({"anyOf": [item, listed]})


Globs = Annotated[
    tuple[str, ...],
    BeforeValidator(as_list),
    Field(strict=False, min_length=1),
    one_or_more({"type": "string"}),
]


def _globs_of(words: type[StrEnum]) -> AfterValidator:
    """Refuses a glob that matches none of `words`: it would silently match no event."""

    def check(globs: tuple[str, ...]) -> tuple[str, ...]:
        for glob in globs:
            if not any(fnmatchcase(word, glob) for word in words):
                raise ValueError(f"{glob!r} matches none of {', '.join(words)}")
        return globs

    return AfterValidator(check)


CapabilityGlobs = Annotated[Globs, _globs_of(Capability)]
OutcomeGlobs = Annotated[Globs, _globs_of(Outcome)]
ByGlobs = Annotated[Globs, _globs_of(By)]
