"""What one look has found: all is well, something may be wrong, or something is."""

from __future__ import annotations

from typing import Literal, NamedTuple

Status = Literal["ok", "warn", "fail"]


class Finding(NamedTuple):
    """`fix` says what to do; empty where all is well."""

    status: Status
    says: str
    fix: str = ""


def ok(says: str) -> Finding:
    """All is well."""
    return Finding("ok", says)


def warn(says: str, fix: str) -> Finding:
    """It works now, and something is missing."""
    return Finding("warn", says, fix)


def fail(says: str, fix: str) -> Finding:
    """It does not work."""
    return Finding("fail", says, fix)
