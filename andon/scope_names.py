"""Names of scopes: what stands over workflows and has a breaker of its own.

A scope's breaker is one of a reserved workflow name, `andon:target:stripe`, so whatever knows the
breaker of a workflow knows it: commands, acks, audit lines, alerts, `andon status`, the API.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import NamedTuple

NAME_MAX = 200
"""Characters of a workflow's name, and so of a scope's."""
_DIGEST = 12


class Kind(StrEnum):
    """What a scope holds together."""

    AUTOMATION = "automation"
    TARGET = "target"
    TENANT = "tenant"
    ALL = "all"


PREFIX = "andon:"
EVERYTHING = f"{PREFIX}{Kind.ALL}"
"""The global kill switch."""
_PREFIXES = {kind: f"{PREFIX}{kind}:" for kind in Kind if kind is not Kind.ALL}
RESERVED = f"^{PREFIX}({Kind.ALL}$|({'|'.join(_PREFIXES)}):)"
"""What no workflow of an event may be called, as a regular expression."""


class ScopeName(NamedTuple):
    """A kind, and which one of it; of everything there is one only."""

    kind: Kind
    name: str = ""

    def __str__(self) -> str:
        """As people say it: `target stripe`, `everything`."""
        return f"{self.kind} {self.name}" if self.name else "everything"


def scope_name(kind: Kind, name: str = "") -> str:
    """The workflow name of a scope; a long name is cut and ends in a digest of the whole."""
    if kind is Kind.ALL:
        return EVERYTHING
    whole = f"{_PREFIXES[kind]}{name}"
    if len(whole) <= NAME_MAX:
        return whole
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
    return f"{whole[: NAME_MAX - _DIGEST - 1]}~{digest}"


def scope_of(workflow: str) -> ScopeName | None:
    """The scope of that name; None for a workflow."""
    if not workflow.startswith(PREFIX):
        return None
    if workflow == EVERYTHING:
        return ScopeName(Kind.ALL)
    for kind, prefix in _PREFIXES.items():
        if workflow.startswith(prefix):
            return ScopeName(kind, workflow.removeprefix(prefix))
    return None


def spoken(workflow: str) -> str:
    """A workflow by its name, a scope as people say it."""
    return str(scope_of(workflow) or workflow)


def own_name(workflow: str) -> str:
    """The name itself, of a workflow; raises ValueError for that of a scope."""
    if scope_of(workflow):
        raise ValueError(f"is reserved for {spoken(workflow)}: no workflow may be called so")
    return workflow
