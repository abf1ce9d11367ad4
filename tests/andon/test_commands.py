from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from andon.commands import EVIDENCE_MAX, Ack, Alert, Audit, Command, Heartbeat, Position, Reason
from tests.andon.records import (
    ACK,
    ALERT,
    AUDIT,
    COMMAND,
    HEARTBEAT,
    acks,
    alerts,
    audits,
    commands,
    heartbeats,
)

EXAMPLES = [(Command, COMMAND), (Ack, ACK), (Heartbeat, HEARTBEAT), (Audit, AUDIT), (Alert, ALERT)]
KINDS = pytest.mark.parametrize(("model", "document"), EXAMPLES)


@KINDS
def test_reads_its_example(model: type[BaseModel], document: dict[str, Any]) -> None:
    record = model.model_validate_json(json.dumps(document))
    again = record.model_dump(mode="json", exclude_unset=True)
    assert again == document


@KINDS
def test_ignores_what_a_newer_writer_adds(model: type[BaseModel], document: dict[str, Any]) -> None:
    newer = document | {"colour": "red"}
    assert model.model_validate(newer) == model.model_validate(document)


@KINDS
def test_needs_its_workflow(model: type[BaseModel], document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="workflow"):
        model.model_validate({name: document[name] for name in document if name != "workflow"})


@given(commands() | acks() | heartbeats() | audits() | alerts())
def test_writing_and_reading_give_the_same_record(record: Command | Ack | Audit | Alert) -> None:
    written = record.to_json()
    again = type(record).model_validate_json(written)
    assert again == record
    assert again.to_json() == written


@pytest.mark.parametrize(
    "change",
    [
        {"generation": 0},
        {"generation": -1},
        {"state": "STOPPED"},
        {"issued_by": "agent-1"},
        {"issued_by": "user:"},
        {"issued_by": ""},
        {"issued_at": "2026-01-31T08:00:00"},
        {"expires_at": "soon"},
        {"permits": -1},
        {"workflow": ""},
        {"reason": None},
        {"reason": {"rule": "r"}},
        {"reason": {"text": "t", "observed": float("inf")}},
        {"reason": {"text": "t", "event_ids": ["e"] * (EVIDENCE_MAX + 1)}},
    ],
)
def test_refuses_a_wrong_command(change: dict[str, Any]) -> None:
    Command.model_validate(COMMAND)
    with pytest.raises(ValidationError):
        Command.model_validate(COMMAND | change)


def test_a_person_or_the_monitor_issues_commands() -> None:
    for issuer in ("monitor", "user:ana"):
        assert Command.model_validate(COMMAND | {"issued_by": issuer}).issued_by == issuer


def test_a_reason_may_be_a_text_alone() -> None:
    reason = Reason(text="Ana saw duplicates.")
    assert reason.rule is None
    assert reason.event_ids == []
    assert reason.value == {}


@given(st.integers(0, 2**62))
def test_a_position_keeps_the_largest_offset(offset: int) -> None:
    position = Position(topic="execute.events", partition=0, offset=offset)
    assert Position.model_validate_json(position.to_json()).offset == offset


def test_a_record_cannot_be_changed() -> None:
    command = Command.model_validate(COMMAND)
    with pytest.raises(ValidationError, match="frozen"):
        command.generation = 9  # type: ignore[misc]
