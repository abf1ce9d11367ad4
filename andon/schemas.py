"""The contract as documents for others: a JSON Schema of every record, and AsyncAPI of all topics.

A schema is for writers: it allows no field that is not known. Reading is tolerant; the models are.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from andon.approvals import Answer, Ask, Claim, Done, Undo
from andon.asyncapi import asyncapi
from andon.commands import Ack, Alert, Audit, Command, Heartbeat
from andon.events import Event
from andon.limit import Limit
from andon.permits import Permits
from andon.policy import PRESETS, RATE_FIELDS, SHARES, PolicyBook, Rate, Recover, Rule
from andon.quantities import USUAL_PATTERN

Json = dict[str, Any]

MODELS: dict[str, type[BaseModel]] = {
    "event": Event,
    "command": Command,
    "ack": Ack,
    "heartbeat": Heartbeat,
    "permits": Permits,
    "policy": PolicyBook,
    "audit": Audit,
    "alert": Alert,
    "ask": Ask,
    "answer": Answer,
    "undo": Undo,
    "claim": Claim,
    "done": Done,
}
"""Schemas by name; each is written to `<name>.schema.json`."""


def documents() -> dict[str, Json]:
    """Every document by its file name."""
    schemas = {f"{name}.schema.json": json_schema(model) for name, model in MODELS.items()}
    return {**schemas, "asyncapi.json": asyncapi()}


def render(document: Json) -> str:
    """The text that is committed: the same for the same models."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def stale(folder: Path, documents: Mapping[str, Json]) -> list[str]:
    """Names of the documents in `folder` that are missing, or not what the models say now."""
    return [
        name
        for name, document in documents.items()
        if not (folder / name).is_file()
        or (folder / name).read_text(encoding="utf-8") != render(document)
    ]


def write(folder: Path, documents: Mapping[str, Json]) -> None:
    """Write every document into `folder`, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in documents.items():
        (folder / name).write_text(render(document), encoding="utf-8")


def json_schema(model: type[BaseModel]) -> Json:
    """JSON Schema, draft 2020-12, of what a writer of `model` may write."""
    schema = model.model_json_schema(schema_generator=_Generator)
    if model is PolicyBook:
        _let_extend(schema)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema}


class _Generator(GenerateJsonSchema):
    """Closed objects, the checks across fields, and no title that only repeats a field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        document = super().default_schema(schema)
        if "default" in document and document["default"] is None:
            del document["default"]
        return document

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        document = super().model_schema(schema)
        across = ACROSS_FIELDS.get(schema["cls"], {})
        return document | {"additionalProperties": False} | across


def _let_extend(schema: Json) -> None:
    """Of a file's policies, those that extend a preset may hold parts of rules."""
    kinds = schema["$defs"]
    own, rule = copy.deepcopy(kinds["Policy"]), copy.deepcopy(kinds["Rule"])
    rule |= {"title": "RuleChange", "required": ["name"]}
    rule |= {"description": "Fields of a preset's rule that are to be others."}
    rule["not"] = {"allOf": rule.pop("oneOf")}  # both bounds; without one the preset's stands
    del rule["allOf"], rule["properties"]["rate"]
    own |= {"title": "ExtendedPolicy", "required": ["name", "extends"]}
    own |= {"description": "A preset with other or more rules, or without some."}
    own["properties"] |= {
        "extends": {"enum": list(PRESETS)},
        "without": {"type": "array", "items": {"type": "string"}},
    }
    either = {"if": {"required": ["rate"]}, "then": _ref("Rule"), "else": _ref("RuleChange")}
    own["properties"]["rules"]["items"] = either
    kinds |= {"ExtendedPolicy": own, "RuleChange": rule}
    extended = {"if": {"required": ["extends"]}, "then": _ref("ExtendedPolicy")}
    schema["properties"]["policies"]["items"] = extended | {"else": _ref("Policy")}


def _ref(kind: str) -> Json:
    return {"$ref": f"#/$defs/{kind}"}


def _present(*fields: str) -> Json:
    """Holds where all `fields` are there and not null."""
    return {
        "required": list(fields),
        "properties": {field: {"not": {"type": "null"}} for field in fields},
    }


def _absent(*fields: str) -> Json:
    """Holds where each of `fields` is missing or null."""
    return {"properties": {field: {"type": "null"} for field in fields}}


def _is(field: str, value: str | int) -> Json:
    return {"required": [field], "properties": {field: {"const": value}}}


def _only_own_fields(rate: Rate) -> Json:
    foreign = sorted(frozenset().union(*RATE_FIELDS.values()) - RATE_FIELDS[rate])
    return {
        "if": _is("rate", rate),
        "then": {"properties": dict.fromkeys(foreign, False)},
    }


def _required(model: type[BaseModel], *more: str) -> list[str]:
    """`more` fields that have a default for their writer alone, and all without one."""
    return [*more, *(name for name, field in model.model_fields.items() if field.is_required())]


_EVIDENCE: Json = {
    "required": ["above", "false_trips"],
    "properties": {
        "rate": {"enum": sorted(SHARES)},
        "above": {"not": {"type": "null"}},
        "false_trips": {"not": {"type": "null"}},
        "at_least": {"type": "null"},
        "min": False,
        "weigh": {"const": "count"},
    },
}
_AGAINST_USUAL: Json = {
    "anyOf": [
        {
            "required": [bound],
            "properties": {bound: {"type": "string", "pattern": USUAL_PATTERN}},
        }
        for bound in ("above", "at_least")
    ]
}
_USUAL: Json = {"properties": {"rate": {"enum": ["value", "volume"]}, "per": {"type": "null"}}}

ACROSS_FIELDS: dict[type[BaseModel], Json] = {
    **{model: {"required": _required(model, "kind")} for model in (Ask, Answer, Undo, Claim, Done)},
    Event: {
        "required": _required(Event, "event_id"),
        "if": _present("value"),
        "then": _present("currency"),
    },
    Rule: {
        "oneOf": [_present("above"), _present("at_least")],
        "allOf": [
            *map(_only_own_fields, Rate),
            {"if": _is("rate", Rate.VALUE), "then": _present("currency")},
            {"if": _is("weigh", "value"), "then": _present("currency")},
            {
                "if": _is("rate", Rate.DUPLICATE),
                "then": {"required": ["same"], "properties": {"same": {"minItems": 1}}},
            },
            {"if": _is("method", "evidence"), "then": _EVIDENCE, "else": _absent("false_trips")},
            {"if": _AGAINST_USUAL, "then": _USUAL, "else": _absent("floor")},
        ],
    },
    Recover: {
        "if": _present("after_max"),
        "then": {"required": ["after"], "properties": {"after": {"not": {"const": "manual"}}}},
    },
    Limit: {
        "oneOf": [
            {"allOf": [_present("value", "currency"), _absent("recipients", "actions")]},
            {"allOf": [_present("recipients"), _absent("value", "currency", "actions")]},
            {"allOf": [_present("actions", "over"), _absent("value", "currency", "recipients")]},
        ],
        "if": _is("people", 2),
        "then": {"required": ["then"], "properties": {"then": {"not": {"const": "deny"}}}},
    },
}
"""What the models check across the fields of an object, where JSON Schema has words for it."""
