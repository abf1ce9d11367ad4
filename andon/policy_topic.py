"""Policies as records of `andon.policies`: one a policy, keyed by its name.

The value is the policy; headers tell which book it belongs to and its place there, since the first
policy that matches an event counts. A push writes all records of a book. Until the last one is
read, what a reader holds is of two books and none of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from pydantic import ValidationError

from andon.errors import PolicyError, Problem
from andon.policy import AutoPause, Policy, PolicyBook
from andon.topics import POLICIES

Headers = Sequence[tuple[str, bytes]]
PUSH_AGAIN = "run `andon policy push` again"


class PolicyRecord(NamedTuple):
    """One record to write. Without a value it takes the policy out of the topic."""

    key: bytes
    value: bytes | None
    headers: Headers


class Held(NamedTuple):
    """One record as it stands in the topic."""

    value: bytes
    book: str  # the fingerprint of the book that it was pushed with
    place: int  # the policy's place there
    policies: int  # how many there are in it
    pushed_by: str
    auto_pause: AutoPause  # of the book


def records_of(
    book: PolicyBook, pushed_by: str, gone: Collection[str] = ()
) -> Iterator[PolicyRecord]:
    """The records of a push, in the order in which to write them.

    Args:
        book: all that the topic is to hold.
        pushed_by: `user:<name>`.
        gone: names of policies that the topic holds and the book does not.
    """
    for place, policy in enumerate(book.policies):
        headers = {
            "andon-book": book.fingerprint,
            "andon-place": str(place),
            "andon-policies": str(len(book.policies)),
            "andon-pushed-by": pushed_by,
            "andon-auto-pause": book.auto_pause.model_dump_json(exclude_defaults=True),
        }
        told = [(name, text.encode()) for name, text in headers.items()]
        yield PolicyRecord(policy.name.encode(), policy.to_json(), told)
    for name in gone:
        yield PolicyRecord(name.encode(), None, [("andon-pushed-by", pushed_by.encode())])


def with_others(pushed: PolicyBook, held: PolicyBook) -> PolicyBook:
    """The policies to be pushed, together where the first of them was held, among the others."""
    names = {policy.name for policy in pushed.policies}
    places = [place for place, policy in enumerate(held.policies) if policy.name in names]
    first = places[0] if places else 0
    others = [policy for policy in held.policies[first:] if policy.name not in names]
    policies = (*held.policies[:first], *pushed.policies, *others)
    return PolicyBook(version=1, policies=policies, auto_pause=pushed.auto_pause)


class Differences(NamedTuple):
    """What a book has that another has not, by the policies' names."""

    added: list[str]
    changed: list[str]
    removed: list[str]
    reordered: bool  # do those in both stand in another order?
    auto_pause: bool  # does it say something else of how many may be paused?

    def __str__(self) -> str:
        named = {"added": self.added, "changed": self.changed, "removed": self.removed}
        parts = [f"{kind} {', '.join(names)}" for kind, names in named.items() if names]
        parts += ["reordered"] * self.reordered + ["changed auto_pause"] * self.auto_pause
        return "; ".join(parts) or "no difference"


def differences(old: PolicyBook | None, new: PolicyBook) -> Differences:
    """How to come from the old book to the new one."""
    before = {policy.name: policy for policy in old.policies} if old else {}
    after = {policy.name: policy for policy in new.policies}
    return Differences(
        added=[name for name in after if name not in before],
        changed=[name for name in after if name in before and before[name] != after[name]],
        removed=[name for name in before if name not in after],
        reordered=[n for n in before if n in after] != [n for n in after if n in before],
        auto_pause=(old.auto_pause if old else AutoPause()) != new.auto_pause,
    )


class PolicyTable:
    """What the topic holds, as far as it was read. Needs no YAML and no server."""

    def __init__(self) -> None:
        self.held: dict[str, Held | None] = {}  # None: its headers say nothing

    def take(self, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """Take in the next record."""
        name = (key or b"").decode(errors="replace")
        if value is None:
            self.held.pop(name, None)
        else:
            self.held[name] = _held(value, dict(headers))

    def book(self) -> PolicyBook | None:
        """The policies that were pushed last; None where there are none.

        Raises:
            PolicyError: the records are of several pushes, or some are no policies. Where a push
                is under way this is over in a moment.
        """
        problems = list(self._problems())
        if problems:
            raise PolicyError(problems)
        if not self.held:
            return None
        held = [each for each in self.held.values() if each is not None]
        ordered = sorted(held, key=lambda each: each.place)
        policies = tuple(Policy.model_validate_json(each.value) for each in ordered)
        return PolicyBook(version=1, policies=policies, auto_pause=ordered[0].auto_pause)

    def _problems(self) -> Iterator[Problem]:
        for name, held in self.held.items():
            if held is None:
                yield _problem(name, f"was not written by `andon policy push`; {PUSH_AGAIN}")
                continue
            try:
                policy = Policy.model_validate_json(held.value)
            except ValidationError as error:
                for entry in error.errors(include_url=False):
                    field = ".".join(map(str, (name, *entry["loc"])))
                    yield _problem(
                        field, f"{entry['msg']}; {PUSH_AGAIN}, with this version of Andon"
                    )
                continue
            if policy.name != name:
                yield _problem(name, f"holds policy {policy.name!r} under this key; {PUSH_AGAIN}")
        known = [held for held in self.held.values() if held is not None]
        books = sorted({held.book for held in known})
        if len(books) > 1 or any(held.policies != len(known) for held in known):
            text = f"{len(known)} records of push {' and '.join(books)} are no whole book"
            yield _problem("policies", f"{text}; {PUSH_AGAIN}")


def _held(value: bytes, headers: dict[str, bytes]) -> Held | None:
    try:
        return Held(
            value,
            headers["andon-book"].decode(),
            int(headers["andon-place"]),
            int(headers["andon-policies"]),
            headers["andon-pushed-by"].decode(),
            AutoPause.model_validate_json(headers.get("andon-auto-pause", b"{}")),
        )
    except (KeyError, ValueError):
        return None


def _problem(field: str, message: str) -> Problem:
    return Problem(POLICIES, 1, field, message)
