"""Scope: allow-lists of actions and targets."""

from __future__ import annotations

from collections.abc import Iterator

from andon.globs import matches
from andon.guard.patterns.proposal import Finding, Proposal
from andon.limit import Scope


def outside(scope: Scope, proposal: Proposal) -> Iterator[Finding]:
    """What of the action is on no list; a target that is not known is on none."""
    for field, globs in (("action", scope.actions), ("target", scope.targets)):
        value = getattr(proposal, field)
        if globs is not None and not matches(globs, value):
            what = "is not known" if value is None else f"{value!r} is not in scope"
            yield Finding(field, f"{what}; allowed: {', '.join(globs)}", "deny")
