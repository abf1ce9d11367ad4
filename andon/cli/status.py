"""`andon status`: which workflows run, which are paused, and who can resume them."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

import typer

from andon.alert_text import clean
from andon.cli.options import Servers, failure, keys_of, servers_of
from andon.cli.tables import show_rows
from andon.errors import AndonError
from andon.scope_names import scope_of

_COLOURS = {"OPEN": "red", "FORCED_OPEN": "red", "HALF_OPEN": "yellow", "CLOSED": "green"}
_HEADS = ("Workflow", "State", "Since", "Gen", "Why", "Guards", "Resumed by")


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    bootstrap_servers: Servers = None,
) -> None:
    """List the workflows that were ever paused or resumed, with their states.

    A workflow that is not listed runs. Exit status: 0; 2 when no broker answers within 5 s.
    """
    from streams.standing import read_standings

    servers = servers_of("status", bootstrap_servers)
    try:
        found = asyncio.run(read_standings(servers, keys_of("status")))
    except AndonError as error:
        raise failure("status", error, 2) from error
    for line in found["unreadable"]:
        typer.echo(clean(f"andon status: skipped a record: {line}"), err=True)
    workflows = found["workflows"]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    elif not workflows:
        typer.echo("No workflow was ever paused: all run.")
    else:
        show_rows(_HEADS, list(map(_cells, workflows)), list(map(_colour, workflows)))


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    by = "" if row["issued_by"] == "monitor" else f" (by {row['issued_by'].removeprefix('user:')})"
    cells = (
        _named(row["workflow"]),
        row["label"],
        row["since"],
        str(row["generation"]),
        row["why"] + by,
        _guards(row["acks"]),
        row["resume"] or "-",
    )
    return tuple(map(clean, cells))


def _named(workflow: str) -> str:
    scope = scope_of(workflow)
    return f"{scope} ({workflow})" if scope else workflow


def _guards(acks: list[dict[str, Any]]) -> str:
    obey = sum(ack["obeys"] for ack in acks)
    behind = f", {len(acks) - obey} behind" if obey < len(acks) else ""
    return f"{obey} obey{behind}" if acks else "none heard"


def _colour(row: dict[str, Any]) -> str:
    return _COLOURS.get(row["state"], "dim")
