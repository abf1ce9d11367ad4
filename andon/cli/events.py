"""`andon events`: look at events before they are sent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from andon.cli.progress import reading
from andon.errors import EventError, FileError
from andon.events import parse_event
from andon.log_files import read_blocks, size_of

app = typer.Typer(name="events", help="Look at events before they are sent.", no_args_is_help=True)


@app.callback()
def events() -> None:
    """Look at events before they are sent."""


@dataclass
class Tally:
    """What a check has seen so far. A blank line is no record."""

    files: int = 0
    events: int = 0
    bad: int = 0
    blank: int = 0
    unreadable: int = 0


@app.command()
def check(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="JSON lines, plain or .gz; - is standard input."),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON objects, one a line; the last sums up.")
    ] = False,
) -> None:
    """Tell for each line that is no valid event its number, the field and the reason.

    Exit status: 0 every line is valid, 1 some are not, 2 a file cannot be read.
    """
    tally = Tally()
    for file in files:
        try:
            with reading(Path(file).name, size_of([file])) as told:
                lines = chain.from_iterable(read_blocks(file, told))
                for line, error in _bad_lines(lines, tally):
                    typer.echo(_told(file, line, error, as_json))
        except FileError as error:
            tally.unreadable += 1
            typer.echo(f"andon events: {error}", err=True)
        tally.files += 1
    typer.echo(json.dumps(asdict(tally)) if as_json else _summary(tally))
    raise typer.Exit(2 if tally.unreadable else 1 if tally.bad else 0)


def _bad_lines(lines: Iterable[bytes], tally: Tally) -> Iterator[tuple[int, EventError]]:
    for number, raw in enumerate(lines, start=1):
        if not raw.strip():
            tally.blank += 1
            continue
        try:
            parse_event(raw)
        except EventError as error:
            tally.bad += 1
            yield number, error
        else:
            tally.events += 1


def _told(file: str, line: int, error: EventError, as_json: bool) -> str:
    if as_json:
        return json.dumps(
            {"file": file, "line": line, "field": error.field, "reason": error.reason}
        )
    return f"{file}:{line}: {error}"


def _summary(tally: Tally) -> str:
    parts = [f"{tally.events:,} valid", f"{tally.bad:,} bad"]
    if tally.blank:
        parts.append(f"{tally.blank:,} blank")
    if tally.unreadable:
        parts.append(f"{tally.unreadable:,} of {tally.files:,} files unreadable")
    return ", ".join(parts)
