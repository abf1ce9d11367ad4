"""`andon watch`: all workflows, live."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from typing import Annotated, Any

import typer

from andon.alert_text import clean
from andon.cli.options import Servers, failure, keys_of, servers_of
from andon.cli.tables import table_of
from andon.errors import AndonError

_HEADS = ("Workflow", "State", "Gen", "Since", "Nearest its bound", "Guards", "Last pause")
_COLOURS = {"OPEN": "red", "FORCED_OPEN": "red", "HALF_OPEN": "yellow", "CLOSED": "green"}
Rows = list[dict[str, Any]]


def watch(
    metrics: Annotated[
        str | None,
        typer.Option(
            help="Where the monitor tells its metrics.", show_default="as ANDON_METRICS_* say"
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object for each change, one a line.")
    ] = False,
    bootstrap_servers: Servers = None,
) -> None:
    """Show all workflows until Ctrl-C: a table on a terminal, elsewhere a line for each change.

    Exit status: 0 when stopped; 2 when no broker answers within 5 s.
    """
    from streams.settings import load_settings
    from streams.watching import watch as look

    servers, keys = servers_of("watch", bootstrap_servers), keys_of("watch")
    settings = load_settings()
    url = metrics or f"http://{settings.metrics_host}:{settings.metrics_port}/metrics"
    told = look(servers, keys, url, lambda text: typer.echo(f"andon watch: {text}", err=True))
    showing = _draw(told) if sys.stdout.isatty() and not as_json else _tell(told, as_json)
    try:
        asyncio.run(_until_stopped(showing))
    except AndonError as error:
        raise failure("watch", error, 2) from error


async def _until_stopped(showing: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(showing)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


async def _draw(told: AsyncIterator[Rows]) -> None:
    from rich.live import Live

    with Live(table_of(_HEADS, []), auto_refresh=False) as live:
        async for rows in told:
            colours = [_COLOURS.get(row["state"], "dim") for row in rows]
            live.update(table_of(_HEADS, list(map(_cells, rows)), colours), refresh=True)


async def _tell(told: AsyncIterator[Rows], as_json: bool) -> None:
    from streams.watching import changes

    before: Rows = []
    async for rows in told:
        for row in changes(before, rows):
            line = json.dumps(row) if as_json else "  ".join(_cells(row))
            typer.echo(line)
            sys.stdout.flush()
        before = rows


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    live, missing = row["guards"]["live"], row["guards"]["missing"]
    trip = row["last_trip"]
    cells = (
        row["workflow"],
        row["label"],
        str(row["generation"]),
        row["since"] or "-",
        _nearest(row["rates"]),
        f"{live} live" + (f", {missing} do not obey" if missing else ""),
        f"{trip['at']} by {trip['by'].removeprefix('user:')}: {trip['why']}" if trip else "-",
    )
    return tuple(map(clean, cells))


def _nearest(rates: list[dict[str, Any]]) -> str:
    """The rule that is nearest to its bound."""
    known = [rate for rate in rates if rate["bound"]]
    if not known:
        return "-"
    rate = max(known, key=lambda rate: rate["observed"] / rate["bound"])
    return f"{rate['rule']} {rate['observed']:.4g} of {rate['bound']:.4g}"
