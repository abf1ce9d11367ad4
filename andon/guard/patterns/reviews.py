"""The review gate: people are asked, and approve one call with exactly its arguments."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

from pydantic import Field, ValidationError

from andon.approvals import ARGUMENTS_MAX, Ask
from andon.approvals_log import Standing
from andon.errors import LimitExceeded, ReviewDenied, ReviewNeeded, Sandboxed
from andon.guard.fields import REASON_MAX, SHAPES, text
from andon.guard.gate import Clock, Refusal
from andon.guard.patterns.canonical import canonical, digest_of, readable
from andon.guard.patterns.people import People
from andon.guard.patterns.proposal import Finding
from andon.guard.steps import LEARN_S, Steps, Wait, walk, walk_async
from andon.quantities import Duration
from andon.rule import PolicyModel

if TYPE_CHECKING:
    from andon.guard.attempt import Attempt
    from andon.guard.recorder import Author

E = TypeVar("E", bound=LimitExceeded)

BOUND = ("target", "value", "currency", "recipients")
"""What an approval is bound to, where there is no call with arguments."""


class Review(PolicyModel):
    """How people are asked. Durations are written as in a policy: `10m`, `8h`."""

    people: Annotated[int, Field(ge=1, le=2)] = 1
    expires: Duration = 3600
    wait: Duration | None = None


class Ticket:
    """A question to people, and the call that waits for its answer."""

    def __init__(self, people: People, request_id: str, again: Callable[[], Any] | None) -> None:
        self._people = people
        self._again = again
        self.id = request_id

    @property
    def standing(self) -> Standing:
        """pending, approved, denied, expired or used."""
        return self._people.standing(self.id)

    def wait(self, timeout_s: float) -> Standing:
        """Wait until it is no longer pending; where it stands then, pending where time ran out."""
        return walk(self._people.settled(self.id, timeout_s))

    async def wait_async(self, timeout_s: float) -> Standing:
        """The same without blocking the loop."""
        return await walk_async(self._people.settled(self.id, timeout_s))

    def run(self) -> Any:
        """The same call again, which runs once it is approved; for a coroutine function, to await.

        Raises:
            ReviewNeeded: it is not approved yet.
            TypeError: it was no decorated function: enter a like attempt again.
        """
        if self._again is None:
            raise TypeError("there is no call to be run again: enter an attempt like it")
        return self._again()

    def __repr__(self) -> str:
        return f"<Ticket {self.id}: {self.standing}>"


class Subject(NamedTuple):
    """What an approval is bound to: the arguments for people, and the digest of all of them."""

    arguments: str
    digest: str

    @classmethod
    def of(cls, attempt: Attempt, workflow: str) -> Subject:
        """Raises ValueError where an argument cannot be bound; names it."""
        given = arguments_of(attempt)
        bound = canonical({"of": [workflow, attempt.action], **given})
        hide = attempt.options.hide if attempt.options else ()
        shown = json.dumps(readable(given, hide), ensure_ascii=False)
        return cls(text(shown, ARGUMENTS_MAX), digest_of(bound))


class Reviews:
    """Asks people about attempts, and finds out what they said."""

    def __init__(self, author: Author, people: People, clock: Clock, manner: Review) -> None:
        self._author = author
        self._people = people
        self._clock = clock
        self._manner = manner

    def approval(
        self, attempt: Attempt, objections: Sequence[Finding], *, ask: bool
    ) -> Steps[str | Refusal | None]:
        """The id of a request that people have approved, or why the attempt may not run (yet).

        None where nobody was asked before and is not to be asked now.

        Raises:
            ValueError: an argument cannot be bound to an approval.
        """
        subject = Subject.of(attempt, self._author.workflow)
        self._people.tail.start()
        yield Wait(self._people.known, LEARN_S)
        asked = self._people.asked(attempt.action, subject.digest, _people(objections))
        if asked is None and not ask:
            return None
        request_id, standing = asked or (self.ask(attempt, objections), Standing.PENDING)
        wait_s = self._manner_of(attempt).wait
        if standing is Standing.PENDING and wait_s:
            standing = yield from self._people.settled(request_id, wait_s)
        if standing is not Standing.APPROVED:
            return self.refusal(attempt, request_id, objections)
        if Subject.of(attempt, self._author.workflow) != subject:
            reason = f"the arguments are no longer those that were approved ({request_id})"
            return Refusal(self._error(ReviewDenied, reason), reason)
        return request_id

    def ask(
        self, attempt: Attempt, objections: Sequence[Finding], rehearsed: str | None = None
    ) -> str:
        """Put the question to people; its id. Raises ValueError, as `approval` does."""
        subject = Subject.of(attempt, self._author.workflow)
        question: dict[str, Any] = {
            "request_id": secrets.token_hex(6),
            "workflow": self._author.workflow,
            "issued_at": self._clock(),
            "issued_by": f"automation:{self._author.automation}",
            "guard": self._people.guard_id(),
            "capability": attempt.capability,
            "action": text(attempt.action, 200),
            "arguments": subject.arguments,
            "digest": subject.digest,
            "reasons": [text(each, REASON_MAX) for each in objections],
            "people": _people(objections),
            "expires_s": self._manner_of(attempt).expires,
            "rehearsed": rehearsed,
        }
        try:
            ask = Ask(**question, **_told(attempt))
        except ValidationError:  # an amount that no event could hold; the arguments show it
            ask = Ask(**question)
        self._people.ask(ask)
        return ask.request_id

    def refusal(self, attempt: Attempt, request_id: str, objections: Sequence[Finding]) -> Refusal:
        """Not approved: why, and where a person may still do so, how."""
        why = "; ".join(map(str, objections))
        standing = self._people.standing(request_id)
        if standing in (Standing.USED, Standing.EXPIRED):
            reason = f"the approval ({request_id}) was {standing}: {why}. Ask again"
            return Refusal(self._error(ReviewDenied, reason), reason)
        if standing is Standing.DENIED:
            reason = f"people have denied it ({request_id}): {self._people.words(request_id)}"
            return Refusal(self._error(ReviewDenied, reason), reason)
        ticket = Ticket(self._people, request_id, _again(attempt))
        people = "two people have" if _people(objections) > 1 else "a person has"
        how = f'andon approvals approve {request_id} --reason "why it is right"'
        error = self._error(ReviewNeeded, f"{people} to approve it: {why}. {how}", ticket=ticket)
        return Refusal(error, f"review needed ({request_id}): {why}")

    def sandboxed(
        self, attempt: Attempt, objections: Sequence[Finding], result: object
    ) -> Sandboxed:
        """What the caller of a rehearsed action is told, once people were asked."""
        request_id = self.ask(attempt, objections, text(repr(result), ARGUMENTS_MAX))
        why = "; ".join(map(str, objections))
        return Sandboxed(
            self._author.workflow,
            field=objections[0].field,
            reason=f"it was rehearsed and did not run: {why}. "
            f'andon approvals approve {request_id} --reason "why it is right"',
            ticket=Ticket(self._people, request_id, _again(attempt)),
            result=result,
        )

    def use(self, request_id: str) -> Steps[bool]:
        """Use an approval up; False where another has done so, or it came too late."""
        return self._people.claim(request_id)

    def approved_by(self, request_id: str) -> dict[str, Any]:
        """For the record: the request and the people who have approved it."""
        request = self._people.get(request_id)
        return {"request": request_id, "by": sorted(request.approvals) if request else []}

    def _error(self, kind: type[E], reason: str, **more: Any) -> E:
        return kind(self._author.workflow, field="review", reason=reason, **more)

    def _manner_of(self, attempt: Attempt) -> Review:
        options = attempt.options
        return options.review if options and options.review else self._manner


def arguments_of(attempt: Attempt) -> dict[str, Any]:
    """The arguments of a decorated call by name, or the fields of an attempt that bind it.

    Of a method's object the class alone: it cannot be compared with the one of another process.
    """
    if attempt.call is None:
        told = {name: getattr(attempt, name) for name in BOUND}
        return {name: value for name, value in told.items() if value is not None}
    given = dict(attempt.call.arguments)
    return {
        name: type(value).__qualname__ if name == "self" else value for name, value in given.items()
    }


def _again(attempt: Attempt) -> Callable[[], Any] | None:
    """The same call, through the guard once more."""
    if attempt.guarded is None or attempt.call is None:
        return None
    return partial(attempt.guarded, *attempt.call.args, **attempt.call.kwargs)


def _people(objections: Sequence[Finding]) -> int:
    return max(each.people for each in objections)


def _told(attempt: Attempt) -> dict[str, Any]:
    """What people are shown of an action beside its arguments, as far as it can be shown."""
    told: dict[str, Any] = {}
    for name in BOUND:
        if (value := getattr(attempt, name)) is not None:
            with contextlib.suppress(Exception):
                told[name] = SHAPES[name](value)
    return told
