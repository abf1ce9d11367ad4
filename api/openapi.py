"""The OpenAPI document: what routes say of themselves, and the bodies that they read."""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from andon.events import Event
from andon.schemas import json_schema
from api import envelopes, examples
from api.problems import MEDIA_TYPE, Problem

Json = dict[str, Any]
REF = "#/components/schemas/{model}"
ETAG: Json = {"ETag": {"description": "the generation", "schema": {"type": "string"}}}
MEANINGS = {
    401: "The caller is not known.",
    403: "The caller may not.",
    404: "There is no such thing.",
    409: "It cannot be done as things stand.",
    412: "The generation is another one than If-Match says.",
    413: "The body is too large.",
    415: "The body is of another type.",
    422: "The request has mistakes; `errors` tells all of them.",
    428: "If-Match is missing.",
    503: "The broker, or the issuer of tokens, is not there now.",
}


def answers(*statuses: int, caller: bool = True, headers: Json | None = None) -> dict[Any, Any]:
    """What OpenAPI is told of a route's answers: its errors, and the headers of its success."""
    told: dict[Any, Any] = {200: {"headers": headers}} if headers else {}
    for status in sorted({*statuses, *((401, 403, 422, 503) if caller else ())}):
        content = {MEDIA_TYPE: {"schema": {"$ref": REF.format(model="Problem")}}}
        told[status] = {"description": MEANINGS[status], "content": content}
    return told


def event_bodies() -> Json:
    """The four ways in which events may come."""
    event: Json = {"$ref": REF.format(model="Event")}
    cloudevent: Json = {"$ref": REF.format(model="CloudEvent")}
    content = {
        envelopes.JSON: {
            "schema": {"oneOf": [event, {"type": "array", "items": event}]},
            "example": examples.EVENT,
        },
        envelopes.LINES: {
            "schema": {"type": "string", "description": "an event in each line"},
            "example": json.dumps(examples.EVENT),
        },
        envelopes.CLOUDEVENT: {"schema": cloudevent, "example": examples.CLOUDEVENT},
        envelopes.CLOUDEVENTS: {
            "schema": {"type": "array", "items": cloudevent},
            "example": [examples.CLOUDEVENT],
        },
    }
    return {"requestBody": {"required": True, "content": content}}


POLICY_TYPES = ("application/yaml", "application/json")
POLICY_BODY: Json = {
    "requestBody": {
        "required": True,
        "content": {
            media_type: {
                "schema": {"description": "see schemas/policy.schema.json", **kind},
                "example": example,
            }
            for media_type, kind, example in (
                (POLICY_TYPES[0], {}, examples.POLICY_YAML),
                (POLICY_TYPES[1], {}, examples.POLICY),
            )
        },
    }
}

CLOUDEVENT: Json = {
    "type": "object",
    "description": "A CloudEvent 1.0 in structured mode. In binary mode its attributes are "
    "headers (`ce-id`, `ce-source`, `ce-type`, `ce-specversion`) and the body is the event.",
    "required": [*envelopes.ATTRIBUTES, "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        **{name: {"type": "string", "minLength": 1} for name in ("id", "source", "type")},
        "data": {"$ref": REF.format(model="Event")},
    },
}


def describe(app: FastAPI, bodies: tuple[type[BaseModel], ...]) -> None:
    """Have `app` tell the document; `bodies` are what `bodies.takes` refers to."""

    @cache
    def document() -> Json:
        made = get_openapi(
            title="Andon",
            version=version("andon"),
            summary="A circuit breaker for AI automations: events in, permits out, and control.",
            routes=app.routes,
        )
        schemas = made["components"]["schemas"]
        models: tuple[type[BaseModel], ...] = (*bodies, Problem)
        _, own = models_json_schema([(model, "validation") for model in models], ref_template=REF)
        schemas |= own["$defs"]
        schemas["CloudEvent"] = CLOUDEVENT
        schemas |= _event()
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        made["components"]["schemas"] = dict(sorted(schemas.items()))
        _no_null_parameters(made)
        return made

    app.openapi = document  # type: ignore[method-assign]


def _no_null_parameters(document: Json) -> None:
    """A parameter may be left out; the text `null` in its place is a mistake."""
    for methods in document["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if choices := parameter["schema"].pop("anyOf", None):
                    parameter["schema"] |= choices[0]


def _event() -> Json:
    """The event's own schemas, without the closing: the API reads tolerantly."""
    text = json.dumps(json_schema(Event)).replace("#/$defs/", REF.format(model=""))
    schema: Json = json.loads(text)
    del schema["$schema"], schema["additionalProperties"]
    return {**schema.pop("$defs"), "Event": schema}
