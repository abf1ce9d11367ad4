"""`andon api`: the HTTP gateway and control API; `andon api token`: who may use it."""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from andon.cli.options import Json, failure
from andon.cli.tables import tell
from andon.errors import AndonError

app = typer.Typer(name="api")

Tokens = Annotated[
    Path | None, typer.Option(envvar="ANDON_API_TOKENS", help="File of hashed tokens.")
]


@app.callback(invoke_without_command=True)
def api(
    context: typer.Context,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="0 takes a free one.", show_default="8470")
    ] = None,
    tokens: Tokens = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key, PEM.")] = None,
    insecure_http: Annotated[
        bool | None,
        typer.Option("--insecure-http", help="Without TLS: a proxy in front does it."),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            help="Policy file whose limits and scopes permits obey.", show_default="what was pushed"
        ),
    ] = None,
    bootstrap_servers: Annotated[
        str | None, typer.Option(help="Broker address.", show_default="KAFKA_BOOTSTRAP_SERVERS")
    ] = None,
) -> None:
    """Serve events, permits and control over HTTP until Ctrl-C.

    Exit status: 0 when stopped; 2 for a setting or a file that cannot be used, or where it would
    be open to the network.
    """
    if context.invoked_subcommand is not None:
        return
    from api.server import serve
    from api.settings import load_api_settings
    from streams.settings import load_settings

    given = {
        "host": host,
        "port": port,
        "tokens": tokens,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "insecure_http": insecure_http,
        "policy": policy,
    }
    servers = {} if bootstrap_servers is None else {"bootstrap_servers": bootstrap_servers}
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # every attempt would be told
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn stops, then raises them anew
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        settings = load_api_settings(
            **{name: value for name, value in given.items() if value is not None}
        )
        serve(settings, load_settings(**servers), _tell)
    except AndonError as error:
        raise failure("api", error, 2) from error


@app.command()
def token(
    name: Annotated[str, typer.Argument(help="Who uses it; told in commands as user:NAME.")],
    scope: Annotated[list[str], typer.Option(help="What it may do; several times for several.")],
    tokens: Tokens = None,
    as_json: Json = False,
) -> None:
    """Make a token: it is printed once, and the file keeps its hash.

    Exit status: 0; 2 where the name is taken, a scope is unknown, or the file cannot be written.
    """
    from api.scopes import Scope
    from api.tokens import add_token

    try:
        if tokens is None:
            raise AndonError("--tokens: is required: the file to keep the hash in")
        if unknown := sorted(set(scope) - set(Scope)):
            raise AndonError(f"--scope: {unknown[0]} is none of {', '.join(Scope)}")
        made = add_token(tokens, name, [Scope(each) for each in dict.fromkeys(scope)])
    except AndonError as error:
        raise failure("api token", error, 2) from error
    tell({"name": name, "token": made, "scopes": scope}, made, as_json=as_json)
    typer.echo(f"{name}: kept as a hash in {tokens}; this token is not shown again", err=True)


def _tell(line: str) -> None:
    typer.echo(f"andon api: {line}")
