"""`andon status`: which workflows run, which are paused, and who can resume them."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from typing import Annotated, Any

import typer

from andon.alert_text import clean
from andon.errors import AndonError

_COLOURS = {"OPEN": "red", "FORCED_OPEN": "red", "HALF_OPEN": "yellow", "CLOSED": "green"}
_HEADS = ("Workflow", "State", "Since", "Gen", "Why", "Guards", "Resumed by")


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    bootstrap_servers: Annotated[
        str | None, typer.Option(help="Broker address.", show_default="KAFKA_BOOTSTRAP_SERVERS")
    ] = None,
) -> None:
    """List the workflows that were ever paused or resumed, with their states.

    A workflow that is not listed runs. Exit status: 0; 2 when no broker answers within 5 s.
    """
    from streams.settings import load_settings
    from streams.standing import read_standings

    # Its connection attempts are no news to people: one message says what they can do.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        servers = bootstrap_servers or load_settings().bootstrap_servers
        found = asyncio.run(read_standings(servers))
    except AndonError as error:
        typer.echo(f"andon status: {error}", err=True)
        raise typer.Exit(2) from error
    for line in found["unreadable"]:
        typer.echo(clean(f"andon status: skipped a record: {line}"), err=True)
    workflows = found["workflows"]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    elif not workflows:
        typer.echo("No workflow was ever paused: all run.")
    elif sys.stdout.isatty():
        _print_table(workflows)
    else:
        _print_columns([_HEADS, *map(_cells, workflows)])


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    by = "" if row["issued_by"] == "monitor" else f" (by {row['issued_by'].removeprefix('user:')})"
    cells = (
        row["workflow"],
        row["label"],
        row["since"],
        str(row["generation"]),
        row["why"] + by,
        _guards(row["acks"]),
        row["resume"] or "-",
    )
    return tuple(map(clean, cells))


def _guards(acks: list[dict[str, Any]]) -> str:
    obey = sum(ack["obeys"] for ack in acks)
    behind = f", {len(acks) - obey} behind" if obey < len(acks) else ""
    return f"{obey} obey{behind}" if acks else "none heard"


def _print_columns(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo(line.rstrip())


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*_HEADS)
    for row in rows:
        workflow, label, *rest = map(Text, _cells(row))
        label.stylize(_COLOURS.get(row["state"], "dim"))
        table.add_row(workflow, label, *rest)
    Console().print(table)
