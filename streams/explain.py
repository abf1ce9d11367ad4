"""Why one action ran or did not: its trace, and the detections and commands that concern it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from andon.commands import Audit
from andon.errors import AndonError
from andon.events import Event
from streams.audit_log import read_audit
from streams.event_log import Found, find_event


class ExplainError(AndonError):
    """There is nothing to explain; says why."""


async def explain(bootstrap_servers: str, event_id: str) -> dict[str, Any]:
    """`event`, `reversals`, and the audit records that concern it: `detections` in whose evidence
    it stands, `commands` that held for it or followed from those, `people` who approved or undid
    it. Ready for JSON.

    Raises:
        ExplainError: the log does not have the event.
        BrokerError: no broker, or no topic.
    """
    found = await find_event(bootstrap_servers, event_id)
    if found.event is None:
        raise ExplainError(f"the log has no event {event_id}: look at its id, or it is too old")
    workflow = found.event.workflow
    audits, _ = await read_audit(bootstrap_servers, lambda audit: audit.workflow == workflow)
    return _told(found, found.event, audits)


def _told(found: Found, event: Event, audits: Sequence[Audit]) -> dict[str, Any]:
    ids = {event.event_id, *(each.event_id for each in found.reversals)}
    detections = [each for each in audits if each.kind == "detection" and ids & _evidence(each)]
    commands = [each for each in audits if each.kind == "transition"]
    concern = {
        "detections": detections,
        "commands": list(_concerning(event, detections, commands)),
        "people": list(_people(event, audits)),
    }
    return {
        "event": _json(event),
        "reversals": [_json(each) for each in found.reversals],
        **{name: [_json(each) for each in each_kind] for name, each_kind in concern.items()},
    }


def _concerning(
    event: Event, detections: Sequence[Audit], commands: Sequence[Audit]
) -> Iterator[Audit]:
    """The command that held when the event happened, and those that its detections brought."""
    before = [each for each in commands if each.ts < event.ts]
    generation = _path(event, "decided", "breaker", "generation")
    rules = {(each.reason.rule, tuple(each.reason.event_ids)) for each in detections if each.reason}
    for command in commands:
        held = command.generation == generation if generation else command in before[-1:]
        reason = command.reason
        if held or (reason and (reason.rule, tuple(reason.event_ids)) in rules):
            yield command


def _people(event: Event, audits: Sequence[Audit]) -> Iterator[Audit]:
    request = _path(event, "decided", "approval", "request")
    for audit in audits:
        text = audit.reason.text if audit.reason else ""
        approved = audit.kind == "approval" and isinstance(request, str) and request in text
        if approved or (audit.kind == "undo" and event.event_id in _evidence(audit)):
            yield audit


def _evidence(audit: Audit) -> set[str]:
    return set(audit.reason.event_ids) if audit.reason else set()


def _path(event: Event, *names: str) -> Any:
    """A part of the decision trace, None where it is not there: it is not ours alone."""
    part: Any = event.decision
    for name in names:
        part = part.get(name) if isinstance(part, dict) else None
    return part


def _json(record: Event | Audit) -> dict[str, Any]:
    return record.model_dump(mode="json", exclude_none=True)
