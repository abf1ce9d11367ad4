"""`andon undo`: have one action undone by a guard that knows how."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from typing import Annotated

import typer

from andon.alert_text import clean
from andon.cli.options import Json, Servers, User, Why, failure, keys_of, servers_of, user_of
from andon.errors import AndonError


def undo(
    event: Annotated[str, typer.Argument(help="The event_id of the action.")],
    reason: Why,
    wait_s: Annotated[
        int, typer.Option("--wait", min=1, help="Seconds in which a guard has to begin.")
    ] = 30,
    load: Annotated[
        str | None,
        typer.Option(help="A module of the automation, loaded here where none of it runs."),
    ] = None,
    user: User = None,
    as_json: Json = False,
    bootstrap_servers: Servers = None,
) -> None:
    """Have one action undone by a running guard of its workflow, also while that is paused.

    Exit status: 0 undone, 1 it cannot be undone, nobody did it, or it failed, 2 bad input or no
    broker.
    """
    from streams.approvals import shown
    from streams.undo import UndoError
    from streams.undo import undo as order

    servers = servers_of("undo", bootstrap_servers)
    try:
        if load:
            _load(load, servers)
        request = asyncio.run(order(servers, event, reason, user_of(user), wait_s, keys_of("undo")))
    except UndoError as error:
        raise failure("undo", error, 1) from error
    except (AndonError, ImportError, ValueError) as error:
        raise failure("undo", error, 2) from error
    done = request.done
    assert done is not None
    if as_json:
        typer.echo(json.dumps(shown(request) | {"done": done.model_dump(mode="json")}, indent=2))
    else:
        typer.echo(clean(f"{event}: undone by {done.guard} (reversal {done.event_id})"))


def _load(module: str, servers: str) -> None:
    """Its guards live here from now on; they find the broker that was named."""
    os.environ["KAFKA_BOOTSTRAP_SERVERS"] = servers
    sys.path.insert(0, "")
    importlib.import_module(module)
