"""Options that many commands have, and what they stand for when they are not given."""

from __future__ import annotations

import getpass
import logging
from typing import Annotated

import typer

from andon.alert_text import clean
from andon.errors import AndonError
from andon.signing import Keys

Why = Annotated[str, typer.Option("--reason", help="Why; kept in the audit record.")]
User = Annotated[str | None, typer.Option(help="Who does it.", show_default="the login name")]
Servers = Annotated[
    str | None, typer.Option(help="Broker address.", show_default="KAFKA_BOOTSTRAP_SERVERS")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def servers_of(command: str, given: str | None) -> str:
    """The broker's address; ends `command` with status 2 where a setting is wrong."""
    from streams.settings import load_settings

    # Its connection attempts are no news to people: one message says what they can do.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        return given or load_settings().bootstrap_servers
    except AndonError as error:
        raise failure(command, error, 2) from error


def keys_of(command: str) -> Keys:
    """What commands are signed with, and whose are obeyed; ends `command` as `servers_of` does."""
    from streams.settings import load_settings

    try:
        return load_settings().keys
    except AndonError as error:
        raise failure(command, error, 2) from error


def user_of(given: str | None) -> str:
    """Who acts; empty where nobody can be named."""
    if given is not None:
        return given
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run a user that has no name
        return ""


def failure(command: str, error: Exception | str, status: int) -> typer.Exit:
    """Say what is wrong; to be raised."""
    typer.echo(clean(f"andon {command}: {error}"), err=True)
    return typer.Exit(status)
