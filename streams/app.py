"""The monitor as a Faust app: group membership, rebalances and commits are Faust's."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import itertools
import logging
import re
import socket
import zlib
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, Any

import faust
from prometheus_client import start_http_server

from andon.errors import BrokerError
from andon.topics import ACKS, ALERTS, COMMANDS, EVENTS, HEARTBEATS, PERMITS, SCOPES, TOPICS
from detectors.plan import Compiled
from streams import expiry
from streams.commands_log import CommandsLog, open_log
from streams.dispatch import Dispatcher
from streams.exporter import Exporter
from streams.log_reader import open_reader
from streams.monitor import Headers, Monitor
from streams.policy_changes import PolicyChanges, PolicySource
from streams.policy_check import compiled, problems_of
from streams.ready import wait_for_topics
from streams.routes import Routes
from streams.settings import Settings
from streams.snapshots import Snapshots, marks
from streams.transport import APP_SETTINGS, install

EXPIRE_EVERY_S = 1.0
FOLLOW_EVERY_S = 0.25
SHOW_EVERY_S = 1.0

log = logging.getLogger("andon.monitor")


def monitor_app(
    policies: Compiled,
    source: PolicySource,
    settings: Settings,
    routes: Routes | None,
    tell: Callable[[str], None] = log.info,
) -> faust.App:
    """The app that `andon monitor` runs.

    Args:
        policies: those to begin with.
        source: tells when there are others.
        settings: where the broker is, and what is served where.
        routes: the receivers of alerts; None leaves delivery to another process.
        tell: hears what a person who starts the monitor wants to know.
    """
    largest = max(spec.max_message_bytes for spec in TOPICS)
    datadir = settings.data_dir / "monitor"
    datadir.mkdir(parents=True, exist_ok=True)
    instance, place = take_place(datadir)
    app = faust.App(
        settings.group,
        broker=[f"kafka://{server}" for server in settings.bootstrap_servers.split(",")],
        datadir=str(datadir),
        consumer_group_instance_id=instance,
        web_enabled=False,
        worker_redirect_stdouts=False,
        producer_max_request_size=largest,
        **APP_SETTINGS,
    )
    exporter, keys = Exporter(frozenset({settings.canary_workflow})), settings.keys
    stack = AsyncExitStack()
    stack.callback(place.close)

    async def open_commands() -> CommandsLog:
        topics = (COMMANDS, ACKS, HEARTBEATS, PERMITS, ALERTS)
        return await stack.enter_async_context(
            open_log(settings.bootstrap_servers, *topics, verifier=keys.verifier)
        )

    async def send(
        topic: str, key: bytes | None, value: bytes | None, headers: Headers | None
    ) -> Any:
        return await app.producer.send(topic, key, value, None, None, headers)

    snapshots = Snapshots(
        datadir / "snapshots" / settings.group,
        partial(marks, settings.bootstrap_servers),
        settings.snapshot_every_s,
        exporter.snapshot_written,
    )
    monitor = Monitor(
        policies,
        open_commands,
        lambda: open_reader(settings.bootstrap_servers),
        send,
        exporter,
        snapshots,
        settings.bounds,
        keys.signer,
    )
    stack.push_async_callback(monitor.close)
    stack.push_async_callback(source.close)
    changes = PolicyChanges(policies.book, source, monitor, exporter, settings, tell)
    install(app, [EVENTS, SCOPES], monitor)

    @app.task
    async def serve_metrics() -> None:
        server, _ = start_http_server(
            settings.metrics_port, settings.metrics_host, exporter.registry
        )
        stack.callback(server.shutdown)
        tell(f"metrics on http://{settings.metrics_host}:{server.server_port}/metrics")

    jobs: list[asyncio.Task[Any]] = []

    def background(job: Callable[[], Awaitable[None]]) -> None:
        """Run `job` while the monitor is open: from its first assignment on, until it closes."""

        @app.task
        async def work() -> None:
            if task := asyncio.current_task():
                jobs.append(task)
            await monitor.opened.wait()
            await job()

    @background
    async def follow_people() -> None:
        tell(f"watching {EVENTS} on {settings.bootstrap_servers}")
        while True:
            try:
                await monitor.follow_people()
                await monitor.look_after_pauses(datetime.now(UTC))
            except BrokerError as error:
                log.warning("%s; trying again", error)
            await asyncio.sleep(FOLLOW_EVERY_S)

    @background
    async def end_what_is_over() -> None:
        while True:
            now, holding = datetime.now(UTC), monitor.holding
            await expiry.end(settings.bootstrap_servers, holding, now, keys)
            await asyncio.sleep(EXPIRE_EVERY_S)

    background(changes.watch)
    background(changes.carry_out)

    @app.timer(SHOW_EVERY_S)
    async def show() -> None:
        ends = {tp: app.consumer.known_end(tp) for tp in monitor.partitions}
        monitor.show(ends, datetime.now(UTC))

    if routes is not None:

        @app.task
        async def dispatch() -> None:
            await Dispatcher(
                settings.bootstrap_servers, routes, count=exporter.delivered, instance=instance
            ).run()

    @app.on_before_shutdown.connect
    async def close(*_: Any, **__: Any) -> None:
        for job in jobs:  # Faust would end them later, when what they read is closed
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        await stack.aclose()

    return app


def take_place(folder: Path) -> tuple[str, IO[bytes]]:
    """A name in the group that no other worker of this folder has, held by the open file.

    A worker that comes back, even from a kill, gets the lowest free name: its own, and with it
    its partitions, at once.
    """
    for number in itertools.count():
        lock = (folder / f"worker-{number}.lock").open("wb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        host = re.sub(r"[^a-zA-Z0-9._-]", "-", socket.gethostname())
        home = zlib.crc32(str(folder.resolve()).encode())
        return f"{host}-{home:08x}-{number}", lock
    raise AssertionError("numbers do not end")


def run(
    source: PolicySource,
    settings: Settings,
    routes: Routes | None,
    tell: Callable[[str], None],
) -> None:
    """Wait for the broker, and for policies, then run as a worker until a signal.

    Exits the process, with a status other than 0 on a crash.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)  # before the app is made: it remembers its loop
    loop.run_until_complete(wait_for_topics(settings.bootstrap_servers, tell))
    draft = loop.run_until_complete(source.first(tell))
    for problem in problems_of(draft, settings.events_kept_s):
        tell(f"caution: {problem}")
    app = monitor_app(compiled(draft, settings.canary_workflow), source, settings, routes, tell)
    worker = app.Worker(loglevel="WARNING", quiet=True, loop=loop)
    worker.spinner = None  # it writes control characters, on no terminal too
    # A batch makes many objects and no cycles: looking for some after every 700 takes a quarter
    # of the time of a record.
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    worker.execute_from_commandline()
