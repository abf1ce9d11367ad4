"""`andon report`: what would these policies have paused, and what would that have saved?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from andon.cli.progress import reading
from andon.cli.tables import show
from andon.errors import AndonError
from andon.log_files import size_of


def report(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="JSON lines, plain or .gz; - is standard input."),
    ],
    policy: Annotated[Path, typer.Option(help="Policy file.")],
    resume_after: Annotated[
        str | None,
        typer.Option(
            help="How long a person takes to let a workflow run again, such as 8h, where a policy "
            "says that only a person may.",
            show_default="for ever",
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw rates, bounds and trips: a .html or .png file.")
    ] = None,
    workflow: Annotated[
        str, typer.Option(help="Draw those that match this glob only.", show_default="the paused")
    ] = "*",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Tell what would have been paused, when, and what that would have saved.

    A policy in shadow is simulated as if it were enforced. Saved is what a workflow did after its
    trip, until it was let run again. Limits of single actions are not simulated.

    Exit status: 0; 2 for a policy or a file that cannot be read, or a picture not written.
    """
    try:
        from andon.policy_file import load_policies
        from backtest.logs import Log, tell_rejects
        from backtest.picture import Picture
        from backtest.report import tables, verdict
        from backtest.simulation import Simulation

        book = load_policies(policy)
        picture = Picture(plot, book, workflow) if plot else None
        simulation = Simulation(
            book,
            resume_after_s=_seconds(resume_after),
            readings=picture.readings if picture else None,
        )
        with reading("Report", size_of(files)) as told:
            log = Log(files, told)
            for records in log.batches():
                tell_rejects(log, simulation.take(records))
        found = simulation.report()
        if picture:
            typer.echo(picture.write(found), err=True)
    except AndonError as error:
        typer.echo(f"andon report: {error}", err=True)
        raise typer.Exit(2) from error
    if as_json:
        typer.echo(json.dumps(found))
        return
    for table in tables(found):
        show(table)
    typer.echo(verdict(found))


def _seconds(duration: str | None) -> int | None:
    from andon.policy import parse_duration

    try:
        return None if duration is None else parse_duration(duration)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--resume-after") from error
