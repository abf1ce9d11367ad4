"""`andon trip` and `andon reset`: what a person may do to a workflow."""

from __future__ import annotations

import asyncio
import getpass
import logging
from collections.abc import Coroutine
from typing import Annotated, Any

import typer

from andon.alert_text import clean
from andon.commands import Command
from andon.errors import AndonError, TransitionError
from andon.policy import Mode

Workflow = Annotated[str, typer.Argument(help="The workflow, as its events name it.")]
Why = Annotated[str, typer.Option("--reason", help="Why; kept in the audit record.")]
User = Annotated[str | None, typer.Option(help="Who does it.", show_default="the login name")]
Servers = Annotated[
    str | None, typer.Option(help="Broker address.", show_default="KAFKA_BOOTSTRAP_SERVERS")
]


def trip(
    workflow: Workflow, reason: Why, user: User = None, bootstrap_servers: Servers = None
) -> None:
    """Pause a workflow by hand: its guards refuse every action until it is reset.

    Exit status: 0 paused, 1 it is paused by hand already, 2 bad input or no broker.
    """
    from streams import control

    servers = _servers("trip", bootstrap_servers)
    _carry_out("trip", control.trip(servers, workflow, reason, _user(user)))


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

    servers = _servers("reset", bootstrap_servers)
    allowed = None if now else permits
    _carry_out("reset", control.reset(servers, workflow, reason, _user(user), allowed))


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

    servers = _servers("mode", bootstrap_servers)
    _carry_out("mode", control.set_mode(servers, workflow, mode, reason, _user(user)))


def _carry_out(name: str, order: Coroutine[Any, Any, Command]) -> None:
    # Its connection attempts are no news to people: one message says what they can do.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        command = asyncio.run(order)
    except TransitionError as error:
        raise _failure(name, error, 1) from error
    except (AndonError, ValueError) as error:
        raise _failure(name, error, 2) from error
    trial = f", {command.permits} actions may run" if command.permits else ""
    typer.echo(
        clean(f"{command.workflow}: {command.state.label}{trial} (generation {command.generation})")
    )


def _servers(name: str, given: str | None) -> str:
    from streams.settings import load_settings

    try:
        return given or load_settings().bootstrap_servers
    except AndonError as error:
        raise _failure(name, error, 2) from error


def _user(given: str | None) -> str:
    if given is not None:
        return given
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run a user that has no name
        return ""


def _failure(name: str, error: Exception, status: int) -> typer.Exit:
    typer.echo(clean(f"andon {name}: {error}"), err=True)
    return typer.Exit(status)
