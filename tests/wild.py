"""A log with everything in it, and what one line that reads it without a break wants written."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from andon.commands import EVERY_WORKFLOW, Alert, Audit, Command
from andon.policy import PolicyBook
from andon.topics import ALERTS, AUDIT, COMMANDS, SCOPES
from detectors.columns import Records
from detectors.effects import Effects
from detectors.line import Line
from detectors.plan import compile_book
from tests.eventlog import line

Written = list[tuple[str, str, bytes]]
"""Topic, workflow and value of each record, in order."""

MODELS: dict[str, Any] = {COMMANDS: Command, AUDIT: Audit, ALERTS: Alert}
RULES: list[dict[str, Any]] = [
    {"name": "money", "rate": "value", "over": "10m", "at_least": 100, "currency": "USD"},
    {"name": "errors", "rate": "error", "over": "5m", "above": "40%", "min": 5},
    {"name": "again", "rate": "duplicate", "over": "10m", "at_least": 3, "same": ["target"]},
]
RECOVER = {
    "after": "2m",
    "after_max": "5m",
    "trial": {"permits": 4, "pass": 4},
    "slow": {"permits": 8, "for": "1m"},
    "then": "closed",
    "second_person": "1h",
}


def uninterrupted(book: PolicyBook, topic: str, partition: int, records: Sequence[Any]) -> Written:
    """What one line that reads all records (with `key`, `value`, `timestamp`, `offset`) writes."""
    effects = (
        Line(compile_book(book), scoped=topic == SCOPES)
        .take(
            Records(
                values=[record.value for record in records],
                keys=[record.key for record in records],
                appended_ms=np.array([record.timestamp for record in records], np.int64),
                topic=topic,
                partition=partition,
                offsets=[record.offset for record in records],
            )
        )
        .effects
    )
    return effects_written(effects)


def effects_written(effects: Effects) -> Written:
    """The records that carry effects out, topic after topic."""
    return [
        (topic, item.workflow, item.to_json())
        for topic, items in (
            (COMMANDS, effects.commands),
            (ALERTS, effects.alerts),
            (AUDIT, effects.audits),
        )
        for item in items
    ]


def once(written: Written, topic: str) -> dict[str, list[tuple[str, Any]]]:
    """By workflow, the first of every id, in order. A late event may be sent twice: two sources.

    Without what concerns every workflow: it does not follow from events.
    """
    found: dict[str, dict[Any, Any]] = {}
    entries = [entry for entry in written if entry[0] == topic and entry[1] != EVERY_WORKFLOW]
    for _, workflow, value in entries:
        record = MODELS[topic].model_validate_json(value)
        identity = next(str(getattr(record, f)) for f in MODELS[topic].model_fields)
        source = getattr(record, "source", None)
        place = (identity, source and source.offset)
        known = found.setdefault(workflow, {}).setdefault(place, record)
        assert known == record, "one id, two records"
    return {workflow: list(records.items()) for workflow, records in found.items()}


def a_wild_log(chance: random.Random, workflows: Sequence[str], length: int) -> list[bytes]:
    """Actions, errors, repetitions, late and mixed-up ones, and some that are no events."""
    log, at = [], 0.0
    for n in range(length):
        at += chance.expovariate(1 / 4)
        if chance.random() < 0.03:
            log.append(b"{")
            continue
        jitter = chance.choice([0, 0, 0, -3, 5, -700])
        event_id = f"e{n if chance.random() < 0.95 else chance.randrange(n + 1)}"
        log.append(
            line(
                event_id,
                round(at + jitter, 1),
                workflow=chance.choice(workflows),
                outcome=chance.choice(["success", "success", "success", "error", "denied"]),
                target=f"t{chance.randrange(60)}",
                value=chance.randrange(12),
                currency="USD",
            )
        )
    return log
