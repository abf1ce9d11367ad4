"""`andon trip` and `andon reset`: what a person may do to a workflow."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any

import typer

from andon.alert_text import clean
from andon.cli.options import Servers, User, Why, failure, keys_of, servers_of, user_of
from andon.commands import Command
from andon.errors import AndonError, TransitionError
from andon.policy import Mode

Workflow = Annotated[str, typer.Argument(help="The workflow, as its events name it.")]


def trip(
    workflow: Workflow, reason: Why, user: User = None, bootstrap_servers: Servers = None
) -> None:
    """Pause a workflow by hand: its guards refuse every action until it is reset.

    Exit status: 0 paused, 1 it is paused by hand already, 2 bad input or no broker.
    """
    from streams import control

    servers = servers_of("trip", bootstrap_servers)
    _carry_out("trip", control.trip(servers, workflow, reason, user_of(user), keys=keys_of("trip")))


def reset(
    workflow: Workflow,
    reason: Why,
    permits: Annotated[int, typer.Option(min=1, help="Actions that may run on trial.")] = 10,
    now: Annotated[
        bool, typer.Option("--now", help="Run freely at once, without a trial.")
    ] = False,
    user: User = None,
    bootstrap_servers: Servers = None,
) -> None:
    """Let a paused workflow run again, on trial first.

    Exit status: 0 done, 1 it runs already or moved meanwhile, 2 bad input or no broker.
    """
    from streams import control

    servers = servers_of("reset", bootstrap_servers)
    allowed = None if now else permits
    order = control.reset(servers, workflow, reason, user_of(user), allowed, keys=keys_of("reset"))
    _carry_out("reset", order)


def mode(
    workflow: Workflow,
    mode: Annotated[Mode, typer.Argument(help="enforce, shadow or off.")],
    reason: Why,
    user: User = None,
    bootstrap_servers: Servers = None,
) -> None:
    """Say what detections do to a running workflow: pause it, only be told, or nothing at all.

    Exit status: 0 done, 1 it is so already, or paused, 2 bad input or no broker.
    """
    from streams import control

    servers = servers_of("mode", bootstrap_servers)
    order = control.set_mode(servers, workflow, mode, reason, user_of(user), keys_of("mode"))
    _carry_out("mode", order)


def _carry_out(name: str, order: Coroutine[Any, Any, Command]) -> None:
    try:
        command = asyncio.run(order)
    except TransitionError as error:
        raise failure(name, error, 1) from error
    except (AndonError, ValueError) as error:
        raise failure(name, error, 2) from error
    trial = f", {command.permits} actions may run" if command.permits else ""
    typer.echo(
        clean(f"{command.workflow}: {command.state.label}{trial} (generation {command.generation})")
    )
