"""`andon report`: what would these policies have paused, and what would that have saved?"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from andon.cli.options import Json, Servers, failure, servers_of
from andon.cli.policy_topic import mistakes
from andon.cli.progress import reading
from andon.cli.tables import show
from andon.errors import AndonError, FileError
from andon.log_files import size_of

if TYPE_CHECKING:
    from andon.policy import PolicyBook
    from backtest.simulation import Simulation


def report(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE]...",
            help="JSON lines, plain or .gz; - is standard input.",
            show_default="what the broker holds",
        ),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(help="Policy file.", show_default="of the broker's events the broker's"),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="How far to look back at the broker's events.", show_default="7d"),
    ] = None,
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
        str, typer.Option(help="Draw those that match this glob.", show_default="the most saved")
    ] = "*",
    as_json: Json = False,
    bootstrap_servers: Servers = None,
) -> None:
    """Tell what would have been paused, when, and what that would have saved.

    A policy in shadow is simulated as if it were enforced. Saved is what a workflow did after its
    trip, until it was let run again. Limits of single actions are not simulated, nor is what a
    person did to a breaker.

    Exit status: 0; 2 for a policy, a file or a broker that cannot be read, or a picture that
    cannot be written.
    """
    if files and (since or bootstrap_servers):
        raise failure("report", "--since and --bootstrap-servers are not for files", 2)
    since_s = _seconds("since", since or "7d")
    resume_after_s = _seconds("resume-after", resume_after) if resume_after else None
    servers = "" if files else servers_of("report", bootstrap_servers)
    try:
        from backtest.picture import Picture
        from backtest.report import tables, verdict
        from backtest.simulation import Simulation

        book = _policies(policy, servers)
        picture = Picture(plot, book, workflow) if plot else None
        readings = picture.readings if picture else None
        simulation = Simulation(book, resume_after_s=resume_after_s, readings=readings)
        if files:
            _read_files(simulation, files)
        else:
            asyncio.run(_read_topic(simulation, servers, since_s))
        found = simulation.report()
        if picture:
            typer.echo(picture.write(found), err=True)
    except FileError as error:
        raise mistakes(error, 2) from error
    except AndonError as error:
        raise failure("report", error, 2) from error
    if as_json:
        typer.echo(json.dumps(found))
        return
    for table in tables(found):
        show(table)
    typer.echo(verdict(found))


def _policies(file: Path | None, servers: str) -> PolicyBook:
    from andon.policy_file import load_policies

    if file is not None:
        return load_policies(file)
    if not servers:
        raise AndonError("name the policies of the log with --policy")
    from streams.policy_topic import held

    book = asyncio.run(held(servers)).book()
    if book is None:
        raise AndonError("the broker holds no policies: name a file with --policy")
    return book


def _read_files(simulation: Simulation, files: list[str]) -> None:
    from backtest.logs import Log, tell_rejects

    with reading("Report", size_of(files)) as told:
        log = Log(files, told)
        for records in log.batches():
            tell_rejects(log, simulation.take(records))


async def _read_topic(simulation: Simulation, servers: str, since_s: int) -> None:
    from streams.past_events import past_events

    begin = datetime.now(UTC) - timedelta(seconds=since_s)
    with reading("Report", None) as told:
        async for records in past_events(servers, begin):
            simulation.take(records)  # what is no event lies in the dead letters by now
            told(sum(len(value or b"") for value in records.values))


def _seconds(option: str, duration: str) -> int:
    from andon.policy import parse_duration

    try:
        return parse_duration(duration)
    except ValueError as error:
        raise failure("report", f"--{option}: {error}", 2) from error
