"""`andon trip`, `reset`, `mode` and `kill`: what a person may do to a workflow or a scope."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from andon.alert_text import clean, resume_command
from andon.cli.options import Json, Servers, User, Why, failure, keys_of, servers_of, user_of
from andon.cli.tables import tell
from andon.commands import Command
from andon.errors import AndonError, TransitionError
from andon.events import format_ts
from andon.policy import Mode
from andon.quantities import parse_duration
from andon.scope_names import EVERYTHING, Kind, scope_name, spoken

For = Annotated[
    str | None, typer.Option("--for", help="How long, such as 2h.", show_default="until changed")
]
Workflow = Annotated[str, typer.Argument(help="The workflow, as its events name it.")]


def trip(
    workflow: Workflow,
    reason: Why,
    lasting: For = None,
    user: User = None,
    as_json: Json = False,
    bootstrap_servers: Servers = None,
) -> None:
    """Pause a workflow by hand: its guards refuse every action until it is reset.

    With --for a monitor puts it on trial when the time is over.

    Exit status: 0 paused, 1 it is paused by hand already, 2 bad input or no broker.
    """
    from streams import control

    servers = servers_of("trip", bootstrap_servers)
    until, keys = _until("trip", lasting), keys_of("trip")
    order = control.trip(servers, workflow, reason, user_of(user), keys=keys, expires_at=until)
    _carry_out("trip", order, as_json)


def reset(
    workflow: Workflow,
    reason: Why,
    permits: Annotated[int, typer.Option(min=1, help="Actions that may run on trial.")] = 10,
    now: Annotated[
        bool, typer.Option("--now", help="Run freely at once, without a trial.")
    ] = False,
    user: User = None,
    as_json: Json = False,
    bootstrap_servers: Servers = None,
) -> None:
    """Let a paused workflow run again, on trial first; a scope, such as andon:all, at once.

    Where the policy wants a second person (recover.second_person), another one is asked.

    Exit status: 0 done, 1 it runs already or moved meanwhile, 2 bad input or no broker, 3 another
    person has been asked; --json prints the request.
    """
    from streams import control

    servers = servers_of("reset", bootstrap_servers)
    allowed = None if now else permits
    order = control.reset(servers, workflow, reason, user_of(user), allowed, keys=keys_of("reset"))
    _carry_out("reset", order, as_json)


def kill(
    reason: Why,
    automation: Annotated[str | None, typer.Option(help="Stop this automation alone.")] = None,
    target: Annotated[str | None, typer.Option(help="Stop what acts on this target alone.")] = None,
    matching: Annotated[
        list[str] | None,
        typer.Option(help="The target's own targets, as 'ch_*'; may be given again."),
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(help="Stop what acts for this tenant alone.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    user: User = None,
    as_json: Json = False,
    bootstrap_servers: Servers = None,
) -> None:
    """Stop everything, in every workflow; or one automation, target or tenant.

    It works without a monitor: guards hear it from the broker. On a terminal it asks first.
    Exit status: 0 stopped, 1 it is stopped already or you said no, 2 bad input or no broker.
    """
    from streams import control

    given = {Kind.AUTOMATION: automation, Kind.TARGET: target, Kind.TENANT: tenant}
    chosen = [scope_name(kind, name) for kind, name in given.items() if name is not None]
    if len(chosen) > 1 or "" in given.values():
        raise failure("kill", "give one of --automation, --target and --tenant, with a name", 2)
    if matching and target is None:
        raise failure("kill", "--matching: goes with --target", 2)
    scope = chosen[0] if chosen else EVERYTHING
    servers, keys = servers_of("kill", bootstrap_servers), keys_of("kill")
    asked = f"Stop {clean(spoken(scope))}? Guards refuse from then on"
    if not yes and sys.stdin.isatty() and not typer.confirm(asked):
        raise failure("kill", "nothing was stopped", 1)
    order = control.trip(servers, scope, reason, user_of(user), keys=keys, targets=matching or ())
    _carry_out("kill", order, as_json)
    if not as_json:
        typer.echo(clean(f"let it go with: {resume_command(scope)}"))


def mode(
    workflow: Workflow,
    mode: Annotated[Mode, typer.Argument(help="enforce, shadow or off.")],
    reason: Why,
    lasting: For = None,
    user: User = None,
    as_json: Json = False,
    bootstrap_servers: Servers = None,
) -> None:
    """Say what detections do to a running workflow: pause it, only be told, or nothing at all.

    Exit status: 0 done, 1 it is so already, or paused, 2 bad input or no broker, 3 as `reset`.
    """
    from streams import control

    servers = servers_of("mode", bootstrap_servers)
    until, keys = _until("mode", lasting), keys_of("mode")
    order = control.set_mode(servers, workflow, mode, reason, user_of(user), keys, until)
    _carry_out("mode", order, as_json)


def _until(command: str, lasting: str | None) -> datetime | None:
    try:
        return datetime.now(UTC) + timedelta(seconds=parse_duration(lasting)) if lasting else None
    except ValueError as error:
        raise failure(command, f"for: {error}", 2) from error


def _carry_out(name: str, order: Coroutine[Any, Any, Command], as_json: bool) -> None:
    from streams.approvals import shown
    from streams.reopening import SecondPersonError

    try:
        command = asyncio.run(order)
    except SecondPersonError as error:
        if as_json:
            typer.echo(json.dumps(shown(error.request), indent=2))
        raise failure(name, error, 3) from error
    except TransitionError as error:
        raise failure(name, error, 1) from error
    except (AndonError, ValueError) as error:
        raise failure(name, error, 2) from error
    trial = f", {command.permits} actions may run" if command.permits else ""
    if command.expires_at:
        trial += f" until {format_ts(command.expires_at)}"
    named = spoken(command.workflow)
    text = f"{named}: {command.state.label}{trial} (generation {command.generation})"
    tell(command.model_dump(mode="json", exclude_none=True), text, as_json=as_json)
    if command.targets and not as_json:
        typer.echo(clean(f"targets: {', '.join(command.targets)}"))
