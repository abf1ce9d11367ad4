"""`andon explain`: why one action ran or did not, and what came of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from andon.alert_text import clean
from andon.cli.options import Json, Servers, failure, servers_of
from andon.errors import AndonError


def explain(
    event: Annotated[str, typer.Argument(help="Its event_id.")],
    as_json: Json = False,
    bootstrap_servers: Servers = None,
) -> None:
    """Show what an action saw, what was decided, executed, and came of it; and what concerns it.

    Exit status: 0; 1 the log does not have the event; 2 no broker.
    """
    from streams.explain import ExplainError
    from streams.explain import explain as look_up

    servers = servers_of("explain", bootstrap_servers)
    try:
        told = asyncio.run(look_up(servers, event))
    except ExplainError as error:
        raise failure("explain", error, 1) from error
    except AndonError as error:
        raise failure("explain", error, 2) from error
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    for head, text in _lines(told):
        typer.echo(f"{head:<11}{clean(text)}".rstrip())


def _lines(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    event = told["event"]
    yield "Event", event["event_id"]
    yield "Action", _action(event)
    yield "Workflow", f"{event['workflow']}, by {event['automation']}"
    yield "Time", event["ts"]
    yield "Ended", f"{event['outcome']}, {event['mode']}" + _why(event)
    trace = event.get("decision") or {}
    for part in ("saw", "decided", "executed", "outcome"):
        yield part.capitalize(), _part(trace.get(part), kept=part in trace)
    for other in told["reversals"]:
        yield "Reversed", f"{other['ts']} by {other['by']} ({other['event_id']})" + _why(other)
    heads = {"detections": "Detection", "commands": "Command", "people": "People"}
    for kind, head in heads.items():
        for audit in told[kind]:
            yield head, _audit(audit)


def _action(event: dict[str, Any]) -> str:
    target = f" of {event['target']}" if event.get("target") else ""
    value = f", {event['value']:,.2f} {event['currency']}" if "value" in event else ""
    people = f", {event['recipients']:,} recipients" if "recipients" in event else ""
    return f"{event['capability']} {event['action']}{target}{value}{people}"


def _part(part: Any, kept: bool) -> str:
    if not kept:
        return "(no trace was kept)"
    return "not executed" if part is None else json.dumps(part, ensure_ascii=False)


def _why(record: dict[str, Any]) -> str:
    return f": {record['reason']}" if record.get("reason") else ""


def _audit(audit: dict[str, Any]) -> str:
    state = f" {audit['state']}, generation {audit['generation']}," if "generation" in audit else ""
    return f"{audit['ts']}{state} by {audit['actor']}: {audit.get('reason', {}).get('text', '')}"
