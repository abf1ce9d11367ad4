"""`andon audit`: what was written down of detections, pauses, and what people did."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import Annotated, get_args

import typer

from andon.alert_text import clean
from andon.cli.options import Json, Servers, failure, servers_of
from andon.cli.tables import show_rows
from andon.commands import Audit, AuditKind
from andon.errors import AndonError
from andon.globs import matches
from andon.quantities import parse_duration

_HEADS = ("Time", "Kind", "Workflow", "Gen", "State", "By", "Why")


def audit(
    workflow: Annotated[str, typer.Option(help="Only of workflows that match this glob.")] = "*",
    kind: Annotated[
        list[str] | None, typer.Option(help=f"Only these: {', '.join(get_args(AuditKind))}.")
    ] = None,
    actor: Annotated[str, typer.Option(help="Only by these, a glob such as `user:*`.")] = "*",
    since: Annotated[
        str | None, typer.Option(help="Only what is not older, such as 24h.", show_default="all")
    ] = None,
    last: Annotated[
        int | None, typer.Option(min=1, help="Only so many, the newest.", show_default="all")
    ] = None,
    as_json: Json = False,
    bootstrap_servers: Servers = None,
) -> None:
    """List audit records, oldest first.

    Exit status: 0; 2 bad input or no broker.
    """
    from streams.audit_log import read_audit

    kinds = kind or list(get_args(AuditKind))
    if unknown := [each for each in kinds if each not in get_args(AuditKind)]:
        known = ", ".join(get_args(AuditKind))
        raise failure("audit", f"kind: must be one of {known}, not {unknown[0]}", 2)
    since_ms = _since_ms(since)
    servers = servers_of("audit", bootstrap_servers)

    def wanted(record: Audit) -> bool:
        fresh = since_ms is None or record.ts >= datetime.fromtimestamp(since_ms / 1000, UTC)
        return (
            fresh
            and record.kind in kinds
            and matches([workflow], record.workflow)
            and matches([actor], record.actor)
        )

    try:
        records, unreadable = asyncio.run(read_audit(servers, wanted, since_ms=since_ms))
    except AndonError as error:
        raise failure("audit", error, 2) from error
    for line in unreadable:
        typer.echo(clean(f"andon audit: skipped a record: {line}"), err=True)
    _show(records[-last:] if last else records, as_json)


def _show(records: list[Audit], as_json: bool) -> None:
    if as_json:
        rows = [record.model_dump(mode="json", exclude_none=True) for record in records]
        typer.echo(json.dumps({"records": rows}, indent=2))
    elif not records:
        typer.echo("Nothing was written down of that.")
    else:
        show_rows(_HEADS, list(map(_cells, records)))


def _cells(record: Audit) -> tuple[str, ...]:
    cells = (
        f"{record.ts:%Y-%m-%d %H:%M:%S}",
        record.kind,
        record.workflow,
        "-" if record.generation is None else str(record.generation),
        record.state.label if record.state else "-",
        record.actor,
        record.reason.text if record.reason else "-",
    )
    return tuple(map(clean, cells))


def _since_ms(since: str | None) -> int | None:
    if since is None:
        return None
    try:
        return int((time.time() - parse_duration(since)) * 1000)
    except ValueError as error:
        raise failure("audit", f"since: {error}", 2) from error
