"""Bodies of requests: of a known type, not too large, and what they hold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from api.problems import ProblemError, invalid, mistakes

JSON = "application/json"
M = TypeVar("M", bound=BaseModel)


async def read(request: Request, *media_types: str) -> bytes:
    """The body. Raises ProblemError 415 or 413."""
    media_type = media_type_of(request)
    if media_type not in media_types:
        wanted = ", ".join(media_types)
        raise ProblemError(
            415,
            f"content-type: must be {wanted}, not {media_type or 'missing'}",
            headers={"Accept": wanted} if request.method != "PATCH" else {},
        )
    most = request.app.state.settings.body_max_bytes
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise ProblemError(413, f"the body is larger than {most:,} bytes: send fewer at once")
    return bytes(body)


def media_type_of(request: Request) -> str:
    """Without its parameters, in small letters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def json_body(model: type[M]) -> Callable[[Request], Awaitable[M]]:
    """A dependency: the body as a `model`. It comes after the caller is known."""

    async def body(request: Request) -> M:
        raw = await read(request, JSON)
        try:
            return model.model_validate_json(raw)
        except ValidationError as error:
            raise invalid(mistakes(error)) from None

    return body


def takes(model: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    """What OpenAPI is told of such a body."""
    content = {JSON: {"schema": schema_of(model), "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def schema_of(model: type[BaseModel]) -> dict[str, str]:
    """A reference; api.openapi.BODIES has to name the model."""
    return {"$ref": f"#/components/schemas/{model.__name__}"}
