"""The fields of an event as the compiled reader knows them; the contract is `andon.events`."""

from __future__ import annotations

from typing import Final, NamedTuple

from andon.events import By, Capability, Mode, Outcome

TEXT, DECIMAL, WHOLE, OBJECT, FOREIGN = range(5)
"""Kinds of values. FOREIGN: with such a field the record is something else than a plain event."""


class Field(NamedTuple):
    """What a field may hold. Lengths are in characters; texts that are not kept are passed by."""

    name: str
    kind: int = TEXT
    least: int = 0
    most: int = 1 << 30
    required: bool = False
    nullable: bool = False
    kept: bool = True
    choices: tuple[str, ...] = ()


FIELDS: Final = (
    Field("event_id", least=1, most=128, required=True),
    Field("ts", required=True),
    Field("workflow", least=1, most=200, required=True),
    Field("automation", least=1, most=200, required=True),
    Field("capability", least=1, required=True, choices=tuple(Capability)),
    Field("action", least=1, most=200, required=True),
    Field("target", most=500, nullable=True),
    Field("outcome", least=1, required=True, choices=tuple(Outcome)),
    Field("value", DECIMAL, nullable=True),
    Field("currency", least=3, most=3, nullable=True),
    Field("recipients", WHOLE, nullable=True),
    Field("reverses", nullable=True),
    Field("by", least=1, choices=tuple(By)),
    Field("mode", least=1, choices=tuple(Mode)),
    Field("run", nullable=True),
    Field("step", WHOLE, nullable=True),
    Field("reason", nullable=True, kept=False),
    Field("decision", OBJECT, nullable=True),
    Field("traceparent", nullable=True, kept=False),
    Field("labels", OBJECT),
    Field("specversion", FOREIGN),
    Field("andon_policy", nullable=True),  # see detectors.scoped
)

NUMBER_OF: Final = {field.name: number for number, field in enumerate(FIELDS)}
"""The places of the fields in FIELDS, by name."""
