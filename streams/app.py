"""The monitor as a Faust app: group membership, rebalances and commits are Faust's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import faust
from prometheus_client import start_http_server

from andon.errors import BrokerError
from andon.policy import PolicyBook
from andon.topics import ACKS, COMMANDS, EVENTS, TOPICS
from detectors.plan import compile_book
from streams.commands_log import CommandsLog, open_log
from streams.dispatch import Dispatcher
from streams.exporter import Exporter
from streams.monitor import Headers, Monitor
from streams.routes import Routes
from streams.settings import Settings
from streams.transport import APP_SETTINGS, install

FOLLOW_EVERY_S = 0.25
SHOW_EVERY_S = 1.0

log = logging.getLogger("andon.monitor")


def monitor_app(
    book: PolicyBook,
    settings: Settings,
    routes: Routes | None,
    tell: Callable[[str], None] = log.info,
) -> faust.App:
    """The app that `andon monitor` runs.

    Args:
        book: the policies.
        settings: where the broker is, and what is served where.
        routes: the receivers of alerts; None leaves delivery to another process.
        tell: hears what a person who starts the monitor wants to know.
    """
    largest = max(spec.max_message_bytes for spec in TOPICS)
    datadir = settings.data_dir / "monitor"
    datadir.mkdir(parents=True, exist_ok=True)
    app = faust.App(
        settings.group,
        broker=[f"kafka://{server}" for server in settings.bootstrap_servers.split(",")],
        datadir=str(datadir),
        web_enabled=False,
        worker_redirect_stdouts=False,
        producer_max_request_size=largest,
        **APP_SETTINGS,
    )
    exporter = Exporter(book)
    stack = AsyncExitStack()

    async def open_commands() -> CommandsLog:
        return await stack.enter_async_context(open_log(settings.bootstrap_servers, COMMANDS, ACKS))

    async def send(
        topic: str, key: bytes | None, value: bytes | None, headers: Headers | None
    ) -> Any:
        return await app.producer.send(topic, key, value, None, None, headers)

    monitor = Monitor(compile_book(book), open_commands, send, exporter)
    install(app, [EVENTS], monitor)

    @app.task
    async def serve_metrics() -> None:
        server, _ = start_http_server(
            settings.metrics_port, settings.metrics_host, exporter.registry
        )
        stack.callback(server.shutdown)
        tell(f"metrics on http://{settings.metrics_host}:{server.server_port}/metrics")

    @app.task
    async def follow_people() -> None:
        await monitor.opened.wait()
        tell(f"watching {EVENTS} on {settings.bootstrap_servers}")
        while True:
            try:
                await monitor.follow_people()
            except BrokerError as error:
                log.warning("%s; trying again", error)
            await asyncio.sleep(FOLLOW_EVERY_S)

    @app.timer(SHOW_EVERY_S)
    async def show() -> None:
        monitor.show({tp: app.consumer.highwater(tp) or 0 for tp in monitor.partitions})

    if routes is not None:

        @app.task
        async def dispatch() -> None:
            await Dispatcher(settings.bootstrap_servers, routes, count=exporter.delivered).run()

    @app.on_before_shutdown.connect
    async def close(*_: Any, **__: Any) -> None:
        await stack.aclose()

    return app


def run(app: faust.App) -> None:
    """Run as a worker until a signal; exits the process, with a status other than 0 on a crash."""
    worker = app.Worker(loglevel="WARNING", quiet=True)
    worker.spinner = None  # it writes control characters, on no terminal too
    worker.execute_from_commandline()
