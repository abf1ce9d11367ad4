"""`andon broker`: the embedded broker in the foreground."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from andon.cli.options import failure
from andon.errors import AndonError, BrokerError


def broker(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 9092,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder for the data.", show_default=".andon/broker")
    ] = None,
) -> None:
    """Run a Kafka-protocol broker on this machine until Ctrl-C.

    The first line on standard output is its address. For demos and tests, not for production.

    Exit status: 0 when stopped, 1 when it failed, 2 for a setting that cannot be used.
    """
    from streams.broker import EmbeddedBroker
    from streams.settings import load_settings

    asked_to_end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked_to_end.set())
    try:
        folder = data_dir or load_settings().data_dir / "broker"
        with EmbeddedBroker(folder, port) as running:
            typer.echo(running.bootstrap_servers)
            typer.echo(f"Data in {running.data_dir}; Ctrl-C ends it.", err=True)
            while not asked_to_end.wait(0.2):
                if not running.running:
                    raise BrokerError(running.why_it_died())
    except BrokerError as error:
        raise failure("broker", error, 1) from error
    except AndonError as error:
        raise failure("broker", error, 2) from error
