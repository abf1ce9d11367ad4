"""Which policy holds for the actions of one guard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from andon.events import Capability
from andon.guard.patterns.limits import Ceiling
from andon.guard.patterns.options import read
from andon.limit import Scope
from andon.policy import Policy, PolicyBook

Given = Policy | PolicyBook | Mapping[str, Any]


class Holding(NamedTuple):
    """A policy that holds, with its limits ready to be held against actions."""

    policy: Policy
    ceilings: tuple[Ceiling, ...]


class Policies:
    """The first policy of a book that matches; replaced as a whole, never in part.

    `guard` is True where there is one that has limits or a scope.
    """

    def __init__(self, workflow: str, automation: str) -> None:
        self._workflow = workflow
        self._automation = automation
        self._found: dict[Capability, Holding] = {}
        self.guard = False

    def use(self, book: PolicyBook) -> None:
        """Go by these policies from now on; those that guard nothing are passed over."""
        found = {}
        for capability in Capability:
            place = book.find(self._workflow, self._automation, capability)
            if place is not None and _guards(book.policies[place]):
                policy = book.policies[place]
                found[capability] = Holding(policy, tuple(map(Ceiling.of, policy.limits)))
        self._found = found
        self.guard = bool(found)

    def of(self, capability: Capability) -> Holding | None:
        return self._found.get(capability)


def book_of(given: Given) -> PolicyBook:
    """A policy, a book of them, or what a file says of either, as a book.

    Raises:
        ValueError: it cannot be read; names each mistake.
    """
    if isinstance(given, PolicyBook):
        return given
    if isinstance(given, Mapping) and "policies" in given:
        return read(PolicyBook, given, "policy")
    return PolicyBook(version=1, policies=(read(Policy, given, "policy"),))


def _guards(policy: Policy) -> bool:
    return policy.mode != "off" and bool(policy.limits or policy.scope != Scope())
