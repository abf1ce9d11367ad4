"""`andon alerts`: deliver alerts to receivers, without the monitor; try a receiver out."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from andon.alert_text import resume_command, title
from andon.breaker import State
from andon.cli.options import Json, failure
from andon.commands import Alert, Reason
from andon.errors import AndonError
from andon.ids import uuid7

if TYPE_CHECKING:
    from streams.receivers import Delivery, Receiver
    from streams.routes import Routes

app = typer.Typer(name="alerts")
File = Annotated[
    Path | None,
    typer.Option(
        "--receivers", envvar="ANDON_RECEIVERS", help="Receivers file.", show_default="terminal"
    ),
]


@app.callback(invoke_without_command=True)
def alerts(
    context: typer.Context,
    receivers: File = None,
    bootstrap_servers: Annotated[
        str | None, typer.Option(help="Broker address.", show_default="KAFKA_BOOTSTRAP_SERVERS")
    ] = None,
) -> None:
    """Deliver alerts from `andon.alerts` until Ctrl-C; waits for the broker.

    Exit status: 0 when stopped, 2 for a receivers file that cannot be used.
    """
    context.obj = receivers
    if context.invoked_subcommand is not None:
        return
    from streams.settings import load_settings

    try:
        servers = bootstrap_servers or load_settings().bootstrap_servers
    except AndonError as error:
        raise _failure(error) from error
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(_dispatch(servers, _routes(receivers)))


@app.command("test")
def try_out(
    context: typer.Context,
    receiver: Annotated[str, typer.Argument(help="Its name in the receivers file.")],
    receivers: File = None,
    as_json: Json = False,
) -> None:
    """Send a test alert to one receiver, once, and say what became of it.

    Exit status: 0 delivered, 1 not delivered, 2 no such receiver or a bad file.
    """
    routes = _routes(receivers or context.obj)
    if receiver not in routes.receivers:
        known = ", ".join(routes.receivers)
        raise _failure(f"no receiver is named {receiver!r}; there are {known}")
    from streams.receivers import Delivered

    delivery = asyncio.run(_deliver_test(routes.receivers[receiver]))
    taken = isinstance(delivery, Delivered)
    reason = None if isinstance(delivery, Delivered) else delivery.reason
    if as_json:
        typer.echo(json.dumps({"receiver": receiver, "delivered": taken, "reason": reason}))
    elif taken:
        typer.echo(f"{receiver} took the test alert.", err=True)
    if not taken:
        raise _failure(f"{receiver} did not take it: {reason}", 1)


async def _dispatch(bootstrap_servers: str, routes: Routes) -> None:
    from streams.dispatch import Dispatcher

    dispatcher = Dispatcher(bootstrap_servers, routes)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, dispatcher.stop)
    typer.echo(f"Delivering to {', '.join(routes.receivers)}; Ctrl-C ends it.", err=True)
    await dispatcher.run()


async def _deliver_test(receiver: Receiver) -> Delivery:
    try:
        return await receiver.deliver(_test_alert())
    finally:
        await receiver.close()


def _test_alert() -> Alert:
    reason = Reason(text="somebody ran `andon alerts test`")
    return Alert(
        alert_id=uuid7(),
        kind="test",
        workflow="andon-test",
        generation=0,
        state=State.CLOSED,
        severity="info",
        since=datetime.now(UTC),
        title=title("test", "andon-test", reason),
        reason=reason,
        resume=resume_command("andon-test"),
    )


def _routes(path: Path | None) -> Routes:
    from streams.routes import load_routes

    try:
        return load_routes(path)
    except AndonError as error:
        raise _failure(error) from error


def _failure(error: Exception | str, status: int = 2) -> typer.Exit:
    return failure("alerts", error, status)
