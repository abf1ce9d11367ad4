"""What people allow: what guards ask of them, what they answer, and what they order to be undone.

All records of one request stand under one key, in the order in which they came. That order, and the
broker's own clock, decide: `andon.approvals_log` reads what follows from them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeGuard

from pydantic import Field, TypeAdapter

from andon.commands import Record
from andon.errors import SignatureError
from andon.events import Capability, Currency, Event, Name, Timestamp

if TYPE_CHECKING:
    from andon.signing import Verifier

ARGUMENTS_MAX = 10_000
"""How many characters of the arguments people are shown."""

RequestId = Annotated[str, Field(min_length=1, max_length=128)]
Person = Annotated[str, Field(pattern=r"^user:.+$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Ask(Record):
    """A guard asks whether one action may run, with exactly these arguments; or a person asks
    another whether a breaker may be let go (`reopens`).
    """

    kind: Literal["ask"] = "ask"
    request_id: RequestId
    workflow: Name
    issued_at: Timestamp
    issued_by: Annotated[str, Field(pattern=r"^(automation|user):.+$")] = Field(
        description="who wants it; a person cannot approve what they asked for"
    )
    guard: str
    capability: Capability
    action: Name
    target: str | None = None
    value: Annotated[float, Field(ge=0)] | None = None
    currency: Currency | None = None
    recipients: Annotated[int, Field(ge=0)] | None = None
    arguments: str = Field(
        max_length=ARGUMENTS_MAX, description="JSON, for people; cut where it is long"
    )
    digest: Digest = Field(description="SHA-256 of the whole arguments: what is approved is this")
    reasons: list[str] = Field(description="why people are asked")
    people: Annotated[int, Field(ge=1, le=2)] = Field(1, description="how many have to approve")
    expires_s: Annotated[int, Field(gt=0)] = Field(
        description="how long after the broker took this record it can be approved and used"
    )
    rehearsed: str | None = Field(None, description="what came of it in the sandbox")
    reopens: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="no action is asked for, but that a person lets go a breaker of this "
        "generation; the arguments are a Reopening",
    )
    signature: str | None = Field(None, description="of a person's question, never of a guard's")


class Answer(Record):
    """What one person says to a request."""

    kind: Literal["answer"] = "answer"
    request_id: RequestId
    workflow: Name
    issued_at: Timestamp
    issued_by: Person
    verdict: Literal["approve", "deny"]
    digest: Digest = Field(description="that of the request: what this person has seen")
    reason: str
    signature: str | None = None


class Undo(Record):
    """A person orders one action to be undone, by a guard that knows how."""

    kind: Literal["undo"] = "undo"
    request_id: RequestId
    workflow: Name
    issued_at: Timestamp
    issued_by: Person
    event: Event = Field(description="the action as it was recorded")
    reason: str
    expires_s: Annotated[int, Field(gt=0)] = Field(
        description="how long after the broker took this record a guard may still begin"
    )
    signature: str | None = None


class Claim(Record):
    """A guard takes up what was approved or ordered: the first in the log holds."""

    kind: Literal["claim"] = "claim"
    request_id: RequestId
    workflow: Name
    claim_id: str
    guard: str


class Done(Record):
    """What became of an undo."""

    kind: Literal["done"] = "done"
    request_id: RequestId
    workflow: Name
    guard: str
    outcome: Literal["success", "error"]
    event_id: str | None = Field(None, description="of the reversal, where there is one")
    reason: str | None = None


ApprovalRecord = Ask | Answer | Undo | Claim | Done
_ANY: TypeAdapter[ApprovalRecord] = TypeAdapter(
    Annotated[ApprovalRecord, Field(discriminator="kind")]
)


def parse_approval(raw: bytes, verifier: Verifier | None = None) -> ApprovalRecord:
    """Read one record; what people say has to be signed where there is a verifier.

    Raises:
        ValidationError: of pydantic, it is no such record.
        SignatureError: no trusted key has signed it.
    """
    record = _ANY.validate_json(raw)
    if verifier and _of_a_person(record) and (problem := verifier.problem(raw)):
        raise SignatureError(f"{record.kind} of {record.issued_by}: {problem}")
    return record


def _of_a_person(record: ApprovalRecord) -> TypeGuard[Ask | Answer | Undo]:
    return isinstance(record, Answer | Undo) or (
        isinstance(record, Ask) and record.reopens is not None
    )
