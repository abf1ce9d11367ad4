"""Which policy holds for the actions of one guard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Literal, NamedTuple

from andon.errors import PolicyError
from andon.events import Capability
from andon.guard.patterns.limits import Ceiling
from andon.guard.patterns.options import read
from andon.guard.tail import Tail
from andon.guard.tally import Tally
from andon.guard.transport import Record, Transport
from andon.limit import Scope
from andon.policy import Policy, PolicyBook
from andon.policy_topic import PolicyTable
from andon.recover import Backlog
from andon.topics import POLICIES

Given = Policy | PolicyBook | Mapping[str, Any] | Literal["topic"]
NONE = PolicyBook(version=1, policies=(Policy(name="none"),))
"""Guards nothing: a book cannot be empty."""


class Holding(NamedTuple):
    """A policy that holds, with its limits ready to be held against actions."""

    policy: Policy
    ceilings: tuple[Ceiling, ...]


class Policies:
    """The first policy of a book that matches; replaced as a whole, never in part.

    `guard` is True where there is one that has limits or a scope, or it is not known whether.
    """

    def __init__(self, workflow: str, automation: str) -> None:
        self._workflow = workflow
        self._automation = automation
        self._found: dict[Capability, Holding] = {}
        self._backlogs: dict[Capability, Backlog] = {}
        self.guard = False
        self.known = False
        self.learned: Future[None] = Future()

    def use(self, book: PolicyBook) -> None:
        """Go by these policies from now on; those that guard nothing are passed over."""
        found, backlogs = {}, {}
        for capability in Capability:
            place = book.find(self._workflow, self._automation, capability)
            policy = NONE.policies[0] if place is None else book.policies[place]
            if policy.mode != "off" and policy.recover.backlog:
                backlogs[capability] = policy.recover.backlog
            if _guards(policy):
                found[capability] = Holding(policy, tuple(map(Ceiling.of, policy.limits)))
        self._found, self._backlogs = found, backlogs
        self.guard = bool(found)
        self.known = True
        self.tell()

    def await_them(self) -> None:
        """They are not known yet, and will be told."""
        self.guard = True

    def tell(self) -> None:
        """Nobody need wait for them any longer: they are known, or cannot be learned now."""
        if not self.learned.done():
            self.learned.set_result(None)

    def of(self, capability: Capability) -> Holding | None:
        return self._found.get(capability)

    def backlog(self, capability: Capability) -> Backlog | None:
        """What becomes of calls of this kind that a pause refuses; None where they are dropped."""
        return self._backlogs.get(capability)


class PolicyFollower:
    """Follows `andon.policies`: what was pushed last holds, and while a push is under way or cannot
    be used, what held before. So it is when the broker is lost.
    """

    def __init__(self, policies: Policies, transport: Transport, tally: Tally) -> None:
        self._policies = policies
        self._tally = tally
        self._table = PolicyTable()
        self._behind = True
        self.tail = Tail(POLICIES, transport, tally, self)
        policies.await_them()

    def forked(self) -> None:
        """In a forked child: go by what is known, until it is heard anew."""
        self.tail.forked()

    def opened(self) -> None:
        self._table, self._behind = PolicyTable(), True

    def read(self, records: Sequence[Record]) -> None:
        for record in records:
            self._table.take(record.key, record.value, record.headers)
        if records and not self._behind:
            self._use()

    def caught_up(self) -> None:
        self._behind = False
        self._use()

    def lost(self) -> None:
        self._policies.tell()

    def _use(self) -> None:
        try:
            book = self._table.book()
        except PolicyError as error:
            self._tally.fault("policy", "that cannot be used, or a push under way", error)
            self._policies.tell()
            return
        self._policies.use(book or NONE)


def book_of(given: Policy | PolicyBook | Mapping[str, Any]) -> PolicyBook:
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
