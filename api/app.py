"""The application: its parts, its routes, and what every request goes through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from andon.policy_file import load_policies
from api import (
    approvals,
    audit,
    breakers,
    events,
    health,
    openapi,
    permits,
    policies,
    problems,
)
from api.auth import Auth
from api.backend import Parts
from api.guards import Guards, Proposal
from api.hub import Hub
from api.link import Link
from api.metrics import Metrics
from api.once import Once
from api.requests import LocalNames, Requests
from api.settings import ApiSettings
from streams.settings import Settings

ROUTES = (events, permits, breakers, approvals, policies, audit, health)
BODIES = (Proposal, breakers.Trip, breakers.Reset, approvals.Answer)


def make_app(settings: ApiSettings, server: Settings) -> FastAPI:
    """The API, not yet connected.

    Raises:
        TokensError, PolicyError, SigningKeyError: a file cannot be read.
    """
    metrics, keys = Metrics(), server.keys
    keys.can_write()
    limits = load_policies(settings.policy) if settings.policy else None
    ledger = str(server.data_dir / "ledger.sqlite3")

    @asynccontextmanager
    async def connected(app: FastAPI) -> AsyncIterator[None]:
        hub = Hub()
        link = Link(server.bootstrap_servers, keys, hub)
        guards = Guards(settings, ledger, limits, hub, link)
        if limits is None:
            link.on_policies = guards.use
        app.state.parts = Parts(
            server.bootstrap_servers, keys, server.events_kept_s, link, guards, Once(), metrics
        )
        running = asyncio.create_task(link.run())
        yield
        await guards.close()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    app = FastAPI(lifespan=connected, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.settings = settings
    app.state.auth = Auth(settings)
    app.state.routes = [route for room in ROUTES for route in room.router.routes]
    for room in ROUTES:
        app.include_router(room.router)
    problems.install(app)
    openapi.describe(app, BODIES)
    if not settings.authenticated:
        # Where anyone on this machine may, no page in its browser shall by another name.
        app.add_middleware(LocalNames)
    app.add_middleware(Requests, metrics=metrics)
    return app
