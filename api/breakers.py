"""`/v1/breakers`: see, pause and release workflows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from andon.breaker import State
from andon.commands import Command, Reason
from andon.events import Timestamp
from api import examples
from api.auth import BreakersReader, BreakersWriter
from api.backend import Backend
from api.bodies import json_body, takes
from api.once import IdempotencyKey
from api.openapi import ETAG, answers
from api.preconditions import IfMatch, expected
from api.problems import FieldProblem, invalid
from api.requests import Workflow
from streams import control

router = APIRouter(tags=["breakers"])
Why = Annotated[str, Field(min_length=1, max_length=1_000, pattern=r"\S")]


class Breaker(BaseModel):
    """Where a workflow stands. One that nobody ever paused is CLOSED, at generation 0."""

    workflow: str
    state: State
    generation: int
    reason: Reason | None = None
    since: Timestamp | None = None
    by: str | None = Field(None, description="`monitor`, or `user:` and a name")
    permits: int | None = Field(None, description="how many actions may run on trial")
    expires_at: Timestamp | None = None

    @classmethod
    def of(cls, workflow: str, command: Command | None) -> Self:
        """As a guard obeys it."""
        if command is None:
            return cls(workflow=workflow, state=State.CLOSED, generation=0)
        return cls(
            workflow=workflow,
            state=command.state,
            generation=command.generation,
            reason=command.reason,
            since=command.issued_at,
            by=command.issued_by,
            permits=command.permits,
            expires_at=command.expires_at,
        )


class Breakers(BaseModel):
    """All workflows that a command was ever written for, by name."""

    breakers: list[Breaker]


class Trip(BaseModel):
    """Pause it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: Why
    expires_at: Timestamp | None = Field(
        None, description="when a monitor is to put it on trial; null: a person has to"
    )


class Reset(BaseModel):
    """Let it run again."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: Why
    permits: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        control.PERMITS, description="actions that may run on trial; null: run freely at once"
    )


@router.get("/v1/breakers", operation_id="listBreakers", responses=answers(503))
async def list_breakers(caller: BreakersReader, backend: Backend) -> Breakers:
    """Every workflow's breaker."""
    commands = await backend.link.commands()
    return Breakers(breakers=[Breaker.of(name, commands[name]) for name in sorted(commands)])


@router.get(
    "/v1/breakers/{workflow}", operation_id="getBreaker", responses=answers(503, headers=ETAG)
)
async def get_breaker(
    caller: BreakersReader, workflow: Workflow, backend: Backend, response: Response
) -> Breaker:
    """One workflow's breaker; the ETag is its generation."""
    commands = await backend.link.commands()
    return _tagged(Breaker.of(workflow, commands.get(workflow)), response)


@router.post(
    "/v1/breakers/{workflow}/trip",
    operation_id="tripBreaker",
    responses=answers(409, 412, 413, 415, 422, 503, headers=ETAG),
    openapi_extra=takes(Trip, examples.TRIP),
)
async def trip_breaker(
    caller: BreakersWriter,
    workflow: Workflow,
    order: Annotated[Trip, Depends(json_body(Trip))],
    backend: Backend,
    response: Response,
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> Breaker:
    """Pause a workflow; without If-Match, whatever its generation."""
    if order.expires_at is not None and order.expires_at <= datetime.now(UTC):
        raise invalid([FieldProblem(field="expires_at", detail="must be ahead")])
    generation = expected(if_match)
    command = await backend.once.run(
        caller,
        idempotency_key,
        ("trip", workflow, order, generation),
        lambda: control.trip(
            backend.bootstrap_servers,
            workflow,
            order.reason,
            caller.name,
            expected=generation,
            keys=backend.keys,
            expires_at=order.expires_at,
        ),
    )
    return _tagged(Breaker.of(workflow, command), response)


@router.post(
    "/v1/breakers/{workflow}/reset",
    operation_id="resetBreaker",
    responses=answers(409, 412, 413, 415, 422, 428, 503, headers=ETAG),
    openapi_extra=takes(Reset, examples.RESET),
)
async def reset_breaker(
    caller: BreakersWriter,
    workflow: Workflow,
    order: Annotated[Reset, Depends(json_body(Reset))],
    backend: Backend,
    response: Response,
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> Breaker:
    """Let a paused workflow run again. If-Match is required: nobody shall undo a pause unseen.

    Where it takes two people (`recover.second_person`), the answer is 409 and names in `approval`
    the request that another caller has to approve.
    """
    generation = expected(if_match, required=True)
    command = await backend.once.run(
        caller,
        idempotency_key,
        ("reset", workflow, order, generation),
        lambda: control.reset(
            backend.bootstrap_servers,
            workflow,
            order.reason,
            caller.name,
            order.permits,
            expected=generation,
            keys=backend.keys,
        ),
    )
    return _tagged(Breaker.of(workflow, command), response)


def _tagged(breaker: Breaker, response: Response) -> Breaker:
    response.headers["ETag"] = f'"{breaker.generation}"'
    return breaker
