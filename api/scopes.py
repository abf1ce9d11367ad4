"""What a caller may be allowed to do, as tokens name it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Scope(StrEnum):
    """One permission each."""

    EVENTS_WRITE = "events:write"
    PERMITS_ASK = "permits:ask"
    BREAKERS_READ = "breakers:read"
    BREAKERS_WRITE = "breakers:write"
    APPROVALS_READ = "approvals:read"
    APPROVALS_WRITE = "approvals:write"
    POLICIES_READ = "policies:read"
    POLICIES_WRITE = "policies:write"
    AUDIT_READ = "audit:read"


class Caller(NamedTuple):
    """Who calls, and what they may do. `name` is what commands and the audit record tell."""

    name: str
    scopes: frozenset[str]


ANYONE = Caller("anyone", frozenset(Scope))
"""Whoever calls where nobody has to say who they are: on this machine only."""
