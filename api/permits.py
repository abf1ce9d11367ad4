"""`POST /v1/permits`: may this action run?"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from api import examples
from api.auth import PermitsAsker
from api.backend import Backend
from api.bodies import json_body, takes
from api.guards import Permit, Proposal
from api.once import IdempotencyKey
from api.openapi import answers

router = APIRouter(tags=["permits"])


@router.post(
    "/v1/permits",
    operation_id="askPermit",
    summary="May this action run?",
    responses=answers(413, 415, 422),
    openapi_extra=takes(Proposal, examples.PROPOSAL),
)
async def ask_permit(
    caller: PermitsAsker,
    proposal: Annotated[Proposal, Depends(json_body(Proposal))],
    backend: Backend,
    idempotency_key: IdempotencyKey = None,
) -> Permit:
    """Judged as the SDK's guard does: breaker, scope and limits; a refusal is told as a denied
    event. After the action send its event, with the permit as `event_id`."""
    request = ("permit", proposal)
    permit = await backend.once.run(
        caller, idempotency_key, request, lambda: backend.guards.ask(proposal)
    )
    backend.metrics.permit(permit.allow)
    return permit
