"""`andon topics`: create Andon's topics, and see whether they are as they should be."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from andon.cli.tables import show_rows
from andon.errors import AndonError
from andon.topics import TOPICS

if TYPE_CHECKING:
    from streams.topics import Drift

_HEADS = ("Topic", "State", "Differences")
_COLOURS = {"ok": "green", "created": "cyan", "missing": "red", "drift": "yellow"}
app = typer.Typer(name="topics", help="Create and check the topics.", no_args_is_help=True)


@app.callback()
def topics() -> None:
    """Create and check the topics."""


@app.command("apply")
def apply_topics(
    check: Annotated[bool, typer.Option("--check", help="Only report; create nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
    bootstrap_servers: Annotated[
        str | None, typer.Option(help="Broker address.", show_default="KAFKA_BOOTSTRAP_SERVERS")
    ] = None,
) -> None:
    """Create the topics that are missing and report those that differ; change none.

    Exit status: 0 all as they should be, 1 some differ or are missing, 2 no broker.
    """
    from streams.settings import load_settings
    from streams.topics import apply

    # Its retries are no news to people: one message below says what they can do.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    try:
        given = {"bootstrap_servers": bootstrap_servers} if bootstrap_servers else {}
        settings = load_settings(**given)
        before = apply(settings.bootstrap_servers, settings, check_only=True)
        after = before if check else apply(settings.bootstrap_servers, settings)
    except AndonError as error:
        typer.echo(f"andon topics: {error}", err=True)
        raise typer.Exit(2) from error
    report = _report(before, after)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    else:
        cells = [[row["topic"], row["state"], _differences(row)] for row in report]
        show_rows(_HEADS, cells, [_COLOURS[row["state"]] for row in report])
    raise typer.Exit(1 if after else 0)


def _report(before: Sequence[Drift], after: Sequence[Drift]) -> list[dict[str, Any]]:
    """A row a topic: `state` is ok, created, missing or drift, with what differs now."""
    was_missing = {drift.topic for drift in before if drift.setting == "topic"}
    rows = []
    for spec in TOPICS:
        drifts = [drift for drift in after if drift.topic == spec.name]
        if any(drift.setting == "topic" for drift in drifts):
            state = "missing"
        elif drifts:
            state = "drift"
        else:
            state = "created" if spec.name in was_missing else "ok"
        rows.append(
            {
                "topic": spec.name,
                "state": state,
                "differences": [
                    {"setting": drift.setting, "wanted": drift.wanted, "found": drift.found}
                    for drift in drifts
                ],
            }
        )
    return rows


def _differences(row: dict[str, Any]) -> str:
    return "; ".join(
        f"{difference['setting']} is {difference['found']}, should be {difference['wanted']}"
        for difference in row["differences"]
    )
