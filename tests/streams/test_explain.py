"""What concerns an event: the detection that it stands in, and the commands around it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from andon import Event
from andon.breaker import State
from andon.commands import Audit, Reason
from andon.ids import uuid7
from andon.topics import AUDIT, EVENTS
from streams.explain import ExplainError, explain
from tests.e2e.harness import Unique

NOW = datetime.now(UTC)


def audit(workflow: str, name: str, kind: Any, minutes: int, **more: Any) -> Audit:
    return Audit(
        audit_id=f"{workflow}-{name}",
        ts=NOW + timedelta(minutes=minutes),
        kind=kind,
        workflow=workflow,
        **more,
    )


def reason(rule: str, *event_ids: str) -> Reason:
    return Reason(text=f"{rule} crossed", rule=rule, event_ids=list(event_ids))


def event(workflow: str, **more: Any) -> Event:
    fields = {
        "ts": NOW,
        "workflow": workflow,
        "automation": "bot",
        "capability": "transact",
        "action": "refund.create",
        "outcome": "success",
    }
    return Event.model_validate(fields | more)


def test_tells_what_concerns_an_event_and_nothing_else(broker: str, unique: Unique) -> None:
    workflow = unique("refunds")
    ours, other = event(workflow), event(workflow)
    undone = event(workflow, reverses=ours.event_id, by="human")
    records = [
        audit(workflow, "old", "transition", -9, generation=1, state=State.OPEN),
        audit(workflow, "held", "transition", -5, generation=2, state=State.CLOSED),
        audit(workflow, "found", "detection", 0, reason=reason("money", ours.event_id)),
        audit(workflow, "other", "detection", 1, reason=reason("money", other.event_id)),
        audit(
            workflow,
            "paused",
            "transition",
            0,
            generation=3,
            state=State.OPEN,
            reason=reason("money", ours.event_id),
        ),
        audit(workflow, "later", "transition", 9, generation=4, state=State.CLOSED),
    ]

    async def run() -> dict[str, Any]:
        async with AIOKafkaProducer(bootstrap_servers=broker) as producer:
            for each in (ours, other, undone):
                await producer.send_and_wait(EVENTS, each.to_json(), key=workflow.encode())
            for each in [*records, records[2]]:  # a monitor that was killed writes some twice
                await producer.send_and_wait(AUDIT, each.to_json(), key=workflow.encode())
        return await explain(broker, ours.event_id)

    told = asyncio.run(run())
    names = {
        kind: [each["audit_id"].rpartition("-")[2] for each in told[kind]]
        for kind in ("detections", "commands", "people")
    }
    assert names == {"detections": ["found"], "commands": ["held", "paused"], "people": []}
    assert told["event"]["event_id"] == ours.event_id
    assert [each["event_id"] for each in told["reversals"]] == [undone.event_id]


@pytest.mark.parametrize("event_id", ["no-uuid", uuid7()])
def test_says_where_the_log_has_no_such_event(broker: str, event_id: str) -> None:
    with pytest.raises(ExplainError, match=f"the log has no event {event_id}"):
        asyncio.run(explain(broker, event_id))
