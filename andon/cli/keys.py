"""`andon keys`: the keys with which commands are signed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from andon.cli.options import Json, failure
from andon.cli.tables import tell
from andon.errors import SigningKeyError
from andon.signing import Signer, write_new_key

app = typer.Typer(name="keys", no_args_is_help=True, help="Keys with which commands are signed.")

File = Annotated[Path, typer.Argument(help="The PEM file of the private key.")]


@app.command()
def new(file: File, as_json: Json = False) -> None:
    """Make a private key for ANDON_SIGNING_KEY; prints the public one, for guards.

    Exit status: 0 written, 2 the file is there already or cannot be written.
    """
    _tell(_of("new", lambda: write_new_key(file)), as_json)


@app.command()
def show(file: File, as_json: Json = False) -> None:
    """Print the public key of a private one, as ANDON_VERIFY_KEYS takes it.

    Exit status: 0 printed, 2 there is no such key.
    """
    _tell(_of("show", lambda: Signer.read(file)), as_json)


def _of(name: str, make: Callable[[], Signer]) -> Signer:
    try:
        return make()
    except SigningKeyError as error:
        raise failure(f"keys {name}", error, 2) from error


def _tell(key: Signer, as_json: bool) -> None:
    tell({"public": key.public}, key.public, as_json=as_json)
