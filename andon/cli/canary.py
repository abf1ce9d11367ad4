"""`andon canary`: prove every few minutes that a workflow that goes wrong is paused."""

from __future__ import annotations

import logging
import signal
import threading
from typing import TYPE_CHECKING

import typer

from andon.cli.options import Servers, failure
from andon.errors import AndonError

if TYPE_CHECKING:
    from streams.canary import Round


def canary(
    every_s: float | None = typer.Option(
        None, min=1, help="Seconds between rounds.", show_default="ANDON_CANARY_EVERY_S, 300"
    ),
    metrics_port: int | None = typer.Option(
        None, min=0, max=65535, help="0 takes a free one.", show_default="ANDON_METRICS_PORT"
    ),
    bootstrap_servers: Servers = None,
) -> None:
    """Trip a workflow of its own every few minutes, and see detection, command, guard and alert.

    People are told when a leg fails or the canary falls silent, and when it is back. Exit status: 0
    when stopped, 1 no broker, 2 for a setting that cannot be used.
    """
    from kafka.errors import KafkaError
    from prometheus_client import start_http_server

    from streams.canary import Canary
    from streams.canary_metrics import CanaryMetrics
    from streams.settings import load_settings

    given = {
        "canary_every_s": every_s,
        "metrics_port": metrics_port,
        "bootstrap_servers": bootstrap_servers,
    }
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    try:
        settings = load_settings(**{k: v for k, v in given.items() if v is not None})
        if not settings.canary_workflow:
            raise AndonError("ANDON_CANARY_WORKFLOW: is empty; name the canary's workflow")
    except AndonError as error:
        raise failure("canary", error, 2) from error
    metrics, stopping = CanaryMetrics(settings.canary_every_s), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())

    def tell(done: Round) -> None:
        metrics.went_round(done)
        legs = ", ".join(f"{leg} {seconds:.2f} s" for leg, seconds in done.seconds.items())
        typer.echo(f"andon canary: {done.failed or 'nothing'} failed; {legs}")

    try:
        bird = Canary(settings, tell)
    except KafkaError as error:
        raise failure("canary", f"no broker: {error!r}", 1) from error
    server, _ = start_http_server(settings.metrics_port, settings.metrics_host, metrics.registry)
    address = f"http://{settings.metrics_host}:{server.server_port}/metrics"
    typer.echo(f"andon canary: metrics on {address}")
    try:
        bird.run(stopping)
    finally:
        bird.close()
        server.shutdown()
