"""`/v1/approvals`: what guards ask people, and what people answer."""

from __future__ import annotations

from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from andon.approvals import Ask
from andon.approvals_log import Request, Standing
from andon.events import Capability, Timestamp
from api import examples
from api.auth import ApprovalsReader, ApprovalsWriter
from api.backend import Backend, Parts
from api.bodies import json_body, takes
from api.breakers import Why
from api.once import IdempotencyKey
from api.openapi import answers
from api.problems import ProblemError
from api.scopes import Caller
from streams.approvals import Verdict, shown
from streams.reopening import answer

router = APIRouter(tags=["approvals"])


class Approval(BaseModel):
    """One question of a guard, or of a person who must not let go alone, and how it stands."""

    request_id: str
    workflow: str
    capability: Capability
    action: str
    arguments: str = Field(description="what is to be approved, for people to read")
    reasons: list[str] = Field(description="why people are asked")
    issued_by: str
    issued_at: Timestamp
    standing: Standing
    people: int = Field(description="how many have to approve")
    missing: int = Field(description="how many still have to")
    expires_in_s: int
    approved_by: list[str]
    denied_by: str | None = None
    answers: list[str]
    used_by: str | None = Field(None, description="the guard that has used it, or the approver")
    reopens: int | None = Field(
        None, description="the generation of the breaker that is let go by an approval"
    )

    @classmethod
    def of(cls, request: Request) -> Self:
        return cls.model_validate(shown(request))


class Approvals(BaseModel):
    """Oldest first."""

    approvals: list[Approval]


class Answer(BaseModel):
    """Why it is right, or wrong."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: Why


@router.get("/v1/approvals", operation_id="listApprovals", responses=answers())
async def list_approvals(
    caller: ApprovalsReader,
    backend: Backend,
    workflow: Annotated[str | None, Query(max_length=200)] = None,
    standing: Standing | None = None,
) -> Approvals:
    """What guards have asked people."""
    found = [Approval.of(each) for each in await _asks(backend)]
    return Approvals(
        approvals=[
            each
            for each in found
            if workflow in (None, each.workflow) and standing in (None, each.standing)
        ]
    )


@router.post(
    "/v1/approvals/{request_id}/approve",
    operation_id="approve",
    responses=answers(404, 409, 413, 415),
    openapi_extra=takes(Answer, examples.ANSWER),
)
async def approve(
    caller: ApprovalsWriter,
    request_id: str,
    given: Annotated[Answer, Depends(json_body(Answer))],
    backend: Backend,
    idempotency_key: IdempotencyKey = None,
) -> Approval:
    """Approve it, once, with exactly its arguments. Where it asks for a breaker to be let go, that
    is done.
    """
    return await _answer(backend, caller, request_id, "approve", given.reason, idempotency_key)


@router.post(
    "/v1/approvals/{request_id}/deny",
    operation_id="deny",
    responses=answers(404, 409, 413, 415),
    openapi_extra=takes(Answer, examples.ANSWER),
)
async def deny(
    caller: ApprovalsWriter,
    request_id: str,
    given: Annotated[Answer, Depends(json_body(Answer))],
    backend: Backend,
    idempotency_key: IdempotencyKey = None,
) -> Approval:
    """Deny it, for good."""
    return await _answer(backend, caller, request_id, "deny", given.reason, idempotency_key)


async def _answer(
    backend: Parts, caller: Caller, request_id: str, verdict: Verdict, reason: str, key: str | None
) -> Approval:
    known = [each.order.request_id for each in await _asks(backend)]
    if request_id not in known:
        raise ProblemError(404, f"nobody has asked for {request_id}: see GET /v1/approvals")

    async def act() -> Request:
        servers = backend.bootstrap_servers
        return await answer(servers, request_id, verdict, reason, caller.name, backend.keys)

    order: Any = (verdict, request_id, reason)
    return Approval.of(await backend.once.run(caller, key, order, act))


async def _asks(backend: Parts) -> list[Request]:
    return [each for each in await backend.link.requests() if isinstance(each.order, Ask)]
