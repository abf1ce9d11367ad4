"""What machines ask that look after this process; nobody has to say who they are."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from api.backend import Backend
from api.openapi import answers
from api.problems import ProblemError

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """It is well."""

    status: Literal["ok"] = "ok"


@router.get("/healthz", operation_id="isAlive", responses=answers(caller=False))
async def is_alive() -> Health:
    """This process runs."""
    return Health()


@router.get("/readyz", operation_id="isReady", responses=answers(503, caller=False))
async def is_ready(backend: Backend) -> Health:
    """The broker is reached and the commands are heard."""
    if not backend.link.ready:
        told = f"not ready: no broker with Andon's topics at {backend.bootstrap_servers}"
        raise ProblemError(503, told, headers={"Retry-After": "1"})
    return Health()


@router.get(
    "/metrics",
    operation_id="getMetrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_metrics(backend: Backend) -> Response:
    """Prometheus' text format."""
    return Response(backend.metrics.text(), media_type="text/plain; version=0.0.4")
