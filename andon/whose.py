"""Whose breaker the rules of a policy move: a workflow's, or that of a scope over workflows."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from andon.rule import PolicyModel
from andon.scope_names import Kind, scope_name

WORKFLOW = "workflow"
TENANT_LABEL = "tenant"
"""The label of an event that names its tenant, unless a policy or a guard names another."""
CHOICES = (WORKFLOW, *Kind)
_NAMED = {"target": "the name of many targets", "tenant_label": "the label that names the tenant"}
_SAYS = f"must be {', '.join(CHOICES)}, {{target: NAME}} or {{tenant_label: LABEL}}"


class Whose(PolicyModel):
    """`kind` is None for the workflow itself; `target` stands for all targets that match."""

    kind: Kind | None = None
    target: Annotated[str, Field(min_length=1, max_length=180)] | None = None
    tenant_label: Annotated[str, Field(min_length=1, max_length=200)] = TENANT_LABEL

    def scope(self, automation: str, target: str | None, tenant: str | None) -> str | None:
        """The name of the scope that an event is in; None where it is in none of this kind."""
        if self.kind is None:
            return None
        name = {
            Kind.ALL: "",
            Kind.AUTOMATION: automation,
            Kind.TARGET: self.target if self.target is not None else target,
            Kind.TENANT: tenant,
        }[self.kind]
        return None if name is None else scope_name(self.kind, name)


def _read(value: Any) -> Any:
    if isinstance(value, Whose):
        return value
    if isinstance(value, str) and value in CHOICES:
        return Whose(kind=None if value == WORKFLOW else Kind(value))
    if isinstance(value, dict) and len(value) == 1:
        (field, name), *_ = value.items()
        if field in _NAMED and isinstance(name, str) and 1 <= len(name) <= 180:
            kind = Kind.TARGET if field == "target" else Kind.TENANT
            return Whose.model_validate({"kind": kind, field: name})
    raise ValueError(f"{_SAYS}, got {value!r}")


def _written(whose: Whose) -> str | dict[str, str]:
    if whose.target is not None:
        return {"target": whose.target}
    if whose.tenant_label != TENANT_LABEL:
        return {"tenant_label": whose.tenant_label}
    return str(whose.kind or WORKFLOW)


def _schema() -> dict[str, Any]:
    text = {"type": "string", "minLength": 1, "maxLength": 180}
    named = [
        {
            "type": "object",
            "properties": {field: text | {"description": about}},
            "required": [field],
            "additionalProperties": False,
        }
        for field, about in _NAMED.items()
    ]
    return {"anyOf": [{"enum": list(CHOICES)}, *named]}


WhoseBreaker = Annotated[
    Whose,
    BeforeValidator(_read),
    PlainSerializer(_written, when_used="json"),
    WithJsonSchema(_schema()),
]
"""As people write it: `target`, or `{target: stripe}`."""
