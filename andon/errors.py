"""Every error that Andon raises on purpose, so that a caller can tell them from its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from andon.scope_names import scope_of

if TYPE_CHECKING:
    from andon.guard.patterns.held import HeldCall
    from andon.guard.patterns.reviews import Ticket


class AndonError(Exception):
    """Base of all errors raised by Andon."""


class EventError(AndonError):
    """A record that is no valid event; names the field and what is wrong with it.

    `all` holds every mistake of the record, of which this is the first.
    """

    def __init__(self, field: str, reason: str, others: Sequence[EventError] = ()) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
        self.all = (self, *others)


class Problem(NamedTuple):
    """One mistake in a file that a person wrote, or what is only likely to be one."""

    file: str
    line: int
    field: str
    message: str
    warning: bool = False

    def __str__(self) -> str:
        kind = "warning: " if self.warning else ""
        return f"{self.file}:{self.line}: {kind}{self.field}: {self.message}"


class FileError(AndonError):
    """A file that cannot be used; `problems` holds every mistake, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class PolicyError(FileError):
    """A policy file that cannot be used."""


class ReceiversError(FileError):
    """A receivers file that cannot be used."""


class BrokerError(AndonError):
    """The broker could not be reached, or lacks a topic that is needed; says what to do."""


class SigningKeyError(AndonError):
    """A key that cannot be used; says which, and what would be one."""


class SignatureError(AndonError):
    """A record that has to be signed, and that no trusted key has signed."""


class TransitionError(AndonError):
    """A breaker was asked for a transition that its table does not have."""


class BreakerOpen(AndonError):  # noqa: N818  the name that breaker libraries have taught people
    """The workflow, or a scope that the action is in, is paused: it was refused and did not run.

    `workflow` names the breaker that refused it: `refunds`, or `andon:target:stripe`.
    """

    def __init__(
        self, workflow: str, *, reason: str, since: datetime | None, resume: str, generation: int
    ) -> None:
        since_text = f" since {since.isoformat()}" if since else ""
        named = scope_of(workflow) or f"workflow {workflow!r}"
        super().__init__(f"{named} is paused{since_text}: {reason}. {resume}")
        self.workflow = workflow
        self.reason = reason
        self.since = since
        self.resume = resume
        self.generation = generation


class Held(BreakerOpen):
    """Refused by a breaker, and kept: it may run later. `ticket` tells what becomes of it."""

    def __init__(self, refusal: BreakerOpen, *, ticket: HeldCall) -> None:
        super().__init__(
            refusal.workflow,
            reason=refusal.reason,
            since=refusal.since,
            resume=f"{refusal.resume}. The call is held ({ticket.id})",
            generation=refusal.generation,
        )
        self.ticket = ticket


class LimitExceeded(AndonError):  # noqa: N818  reads as what happened, like BreakerOpen
    """One action was larger than its policy allows, or not in its scope; it did not run."""

    def __init__(self, workflow: str, *, field: str, reason: str) -> None:
        super().__init__(f"workflow {workflow!r}: {field}: {reason}")
        self.workflow = workflow
        self.field = field
        self.reason = reason


class ReviewDenied(LimitExceeded):
    """People were asked, and said no; or what they approved is not what was to run."""


class ReviewNeeded(LimitExceeded):
    """People have to approve the action first; `ticket` waits for them. It did not run."""

    def __init__(self, workflow: str, *, field: str, reason: str, ticket: Ticket) -> None:
        super().__init__(workflow, field=field, reason=reason)
        self.ticket = ticket


class Sandboxed(ReviewNeeded):
    """The action was rehearsed: `result` is what the sandbox returned. It did not run."""

    def __init__(
        self, workflow: str, *, field: str, reason: str, ticket: Ticket, result: object
    ) -> None:
        super().__init__(workflow, field=field, reason=reason, ticket=ticket)
        self.result = result

    def promote(self) -> Any:
        """Run it for real with the same arguments, once people have approved: `ticket.run()`."""
        return self.ticket.run()
