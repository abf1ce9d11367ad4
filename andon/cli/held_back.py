"""`andon held-back`: what goes on because too many workflows were paused at once."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Annotated

import typer

from andon.alert_text import clean, finding, sums
from andon.cli.options import Json, Servers, User, failure, keys_of, servers_of, user_of
from andon.cli.tables import show_rows
from andon.commands import Audit
from andon.errors import AndonError, TransitionError
from andon.quantities import parse_duration
from andon.signing import Keys

_HEADS = ("Held back", "Workflow", "Rule", "Why", "Money in the window")


def held_back(
    pause: Annotated[bool, typer.Option("--pause", help="Pause them all, by hand.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why; goes with --pause.")] = None,
    since: Annotated[str, typer.Option(help="Only those held back since then.")] = "24h",
    user: User = None,
    as_json: Json = False,
    bootstrap_servers: Servers = None,
) -> None:
    """List the workflows whose pause was held back and that still run; pause them all.

    To pause one of them: `andon trip WORKFLOW`. Exit status: 0; 2 bad input or no broker.
    """
    from streams.held_back import read_held_back

    if pause != (reason is not None):
        raise failure("held-back", "--pause and --reason go together", 2)
    servers, keys = servers_of("held-back", bootstrap_servers), keys_of("held-back")
    try:
        within = timedelta(seconds=parse_duration(since))
        records = asyncio.run(read_held_back(servers, within, keys))
        if reason is not None:
            asyncio.run(_pause(servers, records, reason, user_of(user), keys))
    except (AndonError, ValueError) as error:
        raise failure("held-back", error, 2) from error
    _show(records, as_json)


async def _pause(servers: str, records: list[Audit], reason: str, user: str, keys: Keys) -> None:
    from streams import control

    for record in records:
        try:
            command = await control.trip(servers, record.workflow, reason, user, keys=keys)
            typer.echo(clean(f"{command.workflow}: {command.state.label}"), err=True)
        except TransitionError as error:  # somebody was faster: it is paused
            typer.echo(clean(f"{record.workflow}: {error}"), err=True)


def _show(records: list[Audit], as_json: bool) -> None:
    if as_json:
        rows = [record.model_dump(mode="json", exclude_none=True) for record in records]
        typer.echo(json.dumps({"held_back": rows}, indent=2))
    elif not records:
        typer.echo("No workflow is held back.")
    else:
        show_rows(_HEADS, list(map(_cells, records)))


def _cells(record: Audit) -> tuple[str, ...]:
    reason = record.reason
    assert reason is not None
    cells = (
        f"{record.ts:%Y-%m-%d %H:%M:%S}",
        record.workflow,
        f"{reason.rule} (policy {reason.policy})",
        finding(reason) or reason.text,
        sums(reason.value) or "-",
    )
    return tuple(map(clean, cells))
