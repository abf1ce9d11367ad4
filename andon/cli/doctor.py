"""`andon doctor`: is everything there that a pause needs?"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Annotated

import typer

from andon.alert_text import clean
from andon.cli.options import Json, Servers, failure
from andon.cli.tables import show_rows
from andon.errors import AndonError

_STATUS = {"ok": 0, "warn": 1, "fail": 2}
_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}
_HEADS = ("Check", "", "Found", "Fix")


def doctor(
    policy: Annotated[
        Path | None, typer.Option(help="Policy file.", show_default="ANDON_POLICY, policy.yaml")
    ] = None,
    as_json: Json = False,
    bootstrap_servers: Servers = None,
) -> None:
    """Check the broker, topics, rights, clocks, policies, keys, the monitor and the guards.

    Exit status: 0 all is well, 1 something is missing, 2 something does not work.
    """
    from streams.doctor import examine
    from streams.settings import load_settings

    for chatty in ("kafka", "aiokafka"):  # one line below says what people can do
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    given = {"policy": policy, "bootstrap_servers": bootstrap_servers}
    try:
        settings = load_settings(
            **{name: value for name, value in given.items() if value is not None}
        )
    except AndonError as error:
        raise failure("doctor", error, 2) from error
    found = [{"check": name, **finding._asdict()} for name, finding in examine(settings)]
    if as_json:
        typer.echo(json.dumps({"checks": found}, indent=2))
    else:
        cells = [[clean(cell) for cell in row.values()] for row in found]
        show_rows(_HEADS, cells, [_COLOURS[row["status"]] for row in found])
    raise typer.Exit(max(_STATUS[row["status"]] for row in found))
