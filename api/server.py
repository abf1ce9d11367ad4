"""`andon api` as a process: uvicorn, with TLS where it is asked for."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import closing

import uvicorn

from andon.errors import AndonError
from api.app import make_app
from api.settings import ApiSettings
from streams.settings import Settings

GRACE_S = 5


class ListenError(AndonError):
    """The address cannot be listened on."""


def serve(settings: ApiSettings, server: Settings, tell: Callable[[str], None]) -> None:
    """Serve until Ctrl-C; `tell` hears the address.

    Raises:
        TokensError, PolicyError: a file cannot be read.
        ListenError: the address, or the certificate, cannot be used.
    """
    app = make_app(settings, server)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )
    try:
        config.load()
    except OSError as error:
        raise ListenError(f"the certificate or its key cannot be used: {error}") from None
    with closing(_listen(settings.host, settings.port)) as listening:
        host, port = listening.getsockname()[:2]
        scheme = "https" if settings.tls_cert else "http"
        tell(f"listening on {scheme}://{f'[{host}]' if ':' in host else host}:{port}")
        uvicorn.Server(config).run([listening])


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ListenError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    # asyncio turns Nagle's delay off where it knows the protocol, and create_server tells none.
    # With it the body of an answer waits 40 ms for the caller to acknowledge the head.
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, listening.detach())
