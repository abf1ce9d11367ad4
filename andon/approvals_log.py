"""Where every request stands, as a function of the log of approvals alone.

Guards, the command line and the API read the same log and so agree, whoever writes what and when:
a record that comes too late, twice or from the wrong person changes nothing for any of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from andon.approvals import Answer, ApprovalRecord, Ask, Claim, Done, Undo

REMEMBERED_MAX = 10_000


class Standing(StrEnum):
    """Where a request stands."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    USED = "used"


@dataclass
class Request:
    """One request and what became of it. Times are the broker's, in Unix milliseconds."""

    order: Ask | Undo
    asked_ms: int
    approvals: dict[str, Answer] = field(default_factory=dict)
    denial: Answer | None = None
    claim: Claim | None = None
    done: Done | None = None
    refused: list[str] = field(default_factory=list)
    """Why records did not count, oldest first."""

    @property
    def expires_ms(self) -> int:
        return self.asked_ms + self.order.expires_s * 1000

    @property
    def missing(self) -> int:
        """How many people have still to approve; an order of a person needs nobody else."""
        needed = self.order.people if isinstance(self.order, Ask) else 0
        return max(0, needed - len(self.approvals))

    def standing(self, now_ms: float) -> Standing:
        """Where it stands at a time."""
        if self.claim:
            return Standing.USED
        if self.denial:
            return Standing.DENIED
        if now_ms > self.expires_ms:
            return Standing.EXPIRED
        return Standing.PENDING if self.missing else Standing.APPROVED


class ApprovalsLog:
    """All requests, by their ids, oldest first; of the settled ones the last 10,000 or so."""

    def __init__(self) -> None:
        self.requests: OrderedDict[str, Request] = OrderedDict()

    def take(self, record: ApprovalRecord, at_ms: int) -> Request | None:
        """The next record and when the broker took it; the request that it is about.

        What does not count is noted in `refused` of its request; None where there is no such
        request. The same record twice is the same as once.
        """
        if isinstance(record, Ask | Undo):
            return self._ask(record, at_ms)
        request = self.requests.get(record.request_id)
        if request is None or request.order.workflow != record.workflow:
            return None
        if isinstance(record, Answer):
            problem = _answer(request, record, at_ms)
        elif isinstance(record, Claim):
            problem = self._claim(request, record, at_ms)
        else:
            problem = _done(request, record)
        if problem:
            request.refused.append(problem)
        return request

    def find(self, text: str) -> list[Request]:
        """The requests whose id begins or ends so."""
        return [
            request
            for request_id, request in self.requests.items()
            if request_id.startswith(text) or request_id.endswith(text)
        ]

    def asks(self, action: str, digest: str) -> Iterator[tuple[Ask, Request]]:
        """All questions about an action with these arguments, newest first."""
        for request in reversed(self.requests.values()):
            order = request.order
            if isinstance(order, Ask) and (order.action, order.digest) == (action, digest):
                yield order, request

    def _ask(self, order: Ask | Undo, at_ms: int) -> Request:
        request = self.requests.setdefault(order.request_id, Request(order, at_ms))
        if len(self.requests) > REMEMBERED_MAX:
            oldest = next(iter(self.requests.values()))
            if oldest.standing(at_ms) not in (Standing.PENDING, Standing.APPROVED):
                self.requests.popitem(last=False)
        return request

    def _claim(self, request: Request, claim: Claim, at_ms: int) -> str | None:
        if request.claim and request.claim.claim_id == claim.claim_id:
            return None
        standing = request.standing(at_ms)
        if standing is not Standing.APPROVED:
            return f"{claim.guard} could not use it: it was {standing}"
        if isinstance(request.order, Undo) and self._undone(request.order.event.event_id):
            return f"{claim.guard} could not use it: the action was undone before, or is being so"
        request.claim = claim
        return None

    def _undone(self, event_id: str) -> bool:
        """Whether an undo of this event has begun, and has not failed."""
        return any(
            isinstance(request.order, Undo)
            and request.order.event.event_id == event_id
            and request.claim is not None
            and not (request.done and request.done.outcome == "error")
            for request in self.requests.values()
        )


def _answer(request: Request, answer: Answer, at_ms: int) -> str | None:
    """Take an answer; why it does not count, or None."""
    order, who = request.order, answer.issued_by
    if isinstance(order, Undo):
        return f"{who} answered an order to undo, which asks nothing"
    if request.approvals.get(who) == answer or request.denial == answer:
        return None
    standing = request.standing(at_ms)
    if standing not in (Standing.PENDING, Standing.APPROVED):
        return f"{who} came too late: it was {standing}"
    if answer.digest != order.digest:
        return f"{who} answered for other arguments"
    if answer.verdict == "deny":
        request.denial = answer
    elif who == order.issued_by:
        return f"{who} asked for it, and another person has to approve it"
    elif who in request.approvals:
        return f"{who} has approved it already, and another person has to"
    else:
        request.approvals[who] = answer
    return None


def _done(request: Request, done: Done) -> str | None:
    if request.claim is None or request.claim.guard != done.guard:
        return f"{done.guard} reports on what it had not taken up"
    request.done = request.done or done
    return None
