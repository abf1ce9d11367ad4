"""`POST /v1/events`: tell what automations did."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from andon.guard.transport import Message
from andon.topics import EVENTS
from api import envelopes, examples
from api.auth import EventsWriter
from api.backend import Backend
from api.bodies import media_type_of, read
from api.openapi import answers, event_bodies
from api.problems import invalid

router = APIRouter(tags=["events"])


class Accepted(BaseModel):
    """The broker has them, on all replicas that are in sync."""

    accepted: int = Field(examples=[1])
    event_ids: list[str] = Field(examples=[[examples.EVENT["event_id"]]])


@router.post(
    "/v1/events",
    operation_id="writeEvents",
    summary="Tell what automations did",
    status_code=202,
    responses=answers(413, 415, 422, 503),
    openapi_extra=event_bodies(),
)
async def write_events(caller: EventsWriter, request: Request, backend: Backend) -> Accepted:
    """All events of a request, or none of them: with one mistake nothing is written. Sending the
    same again is safe, since an `event_id` counts once."""
    body = await read(request, *envelopes.MEDIA_TYPES)
    events, problems = envelopes.events_in(media_type_of(request), request.headers, body)
    if problems:
        backend.metrics.events("rejected", len({problem.index for problem in problems}))
        raise invalid(problems)
    events = [backend.guards.traced(event) for event in events]
    await backend.link.write(
        [Message(EVENTS, event.workflow.encode(), event.to_json()) for event in events]
    )
    for event in events:
        backend.guards.told(event)
    backend.metrics.events("accepted", len(events))
    return Accepted(accepted=len(events), event_ids=[event.event_id for event in events])
