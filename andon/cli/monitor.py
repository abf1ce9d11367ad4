"""`andon monitor`: watch the event stream, pause what goes wrong, tell people."""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from andon.errors import AndonError


def monitor(
    policy: Annotated[
        Path | None, typer.Option(help="Policy file.", show_default="ANDON_POLICY, policy.yaml")
    ] = None,
    policies_from_topic: Annotated[
        bool | None,
        typer.Option(
            "--policies-from-topic",
            help="Go by what `andon policy push` lets the broker hold, not by a file.",
            show_default="ANDON_POLICIES_FROM_TOPIC",
        ),
    ] = None,
    receivers: Annotated[
        Path | None,
        typer.Option(envvar="ANDON_RECEIVERS", help="Receivers file.", show_default="terminal"),
    ] = None,
    alerts: Annotated[
        bool, typer.Option(help="Deliver alerts too; without, `andon alerts` has to run.")
    ] = True,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="0 takes a free one.")
    ] = None,
    bootstrap_servers: Annotated[
        str | None, typer.Option(help="Broker address.", show_default="KAFKA_BOOTSTRAP_SERVERS")
    ] = None,
) -> None:
    """Watch the event stream until Ctrl-C; waits for a broker that has the topics.

    Exit status: 0 when stopped, 1 when it failed (start it again: it goes on where it was),
    2 for a file that cannot be used.
    """
    from streams.app import run
    from streams.policy_changes import PolicySource
    from streams.policy_check import compiled
    from streams.policy_file import PolicyFile
    from streams.policy_topic import PolicyTopic
    from streams.routes import load_routes
    from streams.settings import load_settings

    given = {
        "policy": policy,
        "policies_from_topic": policies_from_topic,
        "metrics_port": metrics_port,
        "bootstrap_servers": bootstrap_servers,
    }
    try:
        settings = load_settings(
            **{name: value for name, value in given.items() if value is not None}
        )
        settings.keys.can_write()
        source: PolicySource = PolicyTopic(settings.bootstrap_servers)
        if not settings.policies_from_topic:
            source = file = PolicyFile(settings.policy)
            compiled(file.load())  # its mistakes are told also where there is no broker yet
        elif policy is not None:
            raise AndonError("--policy and --policies-from-topic: policies are from one place")
        routes = load_routes(receivers) if alerts else None
    except AndonError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the worker has its own
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    run(source, settings, routes, _tell)


def _tell(line: str) -> None:
    typer.echo(f"andon monitor: {line}")
