"""`andon score`: how much do incidents cost under these policies, and is health left alone?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from andon.cli.progress import counting
from andon.cli.tables import show
from andon.errors import AndonError


def score(
    policy: Annotated[
        Path | None, typer.Option(help="Policy file.", show_default="the presets")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Incidents and healthy years of each.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Run policies over made-up incidents, and over years in which nothing goes wrong.

    Rules alone are scored: what a policy's `limits` would have held back counts as executed.
    A policy in shadow is scored as if it were enforced.

    Exit status: 0; 1 when an incident is missed, or health is paused more often than once in ten
    workflow-years; 2 for a policy that cannot be read.
    """
    try:
        from andon.policy_file import load_policies, load_presets
        from backtest.scenarios.catalogue import BUSINESSES
        from backtest.score import score as run
        from backtest.scorecard import report, tables, verdict

        book = load_policies(policy) if policy else load_presets()
        with counting("Histories", 2 * seeds * len(BUSINESSES)) as advance:
            scores = run(book, range(1, seeds + 1), progress=advance)
    except ModuleNotFoundError as error:
        typer.echo(f"andon score: needs {error.name!r}: run it in a checkout", err=True)
        raise typer.Exit(2) from error
    except AndonError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    if as_json:
        typer.echo(json.dumps(report(scores)))
    else:
        for table in tables(scores):
            show(table)
        typer.echo(verdict(scores))
    raise typer.Exit(0 if scores.met else 1)
