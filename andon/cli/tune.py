"""`andon tune`: which bounds fit this history?"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from andon.cli.options import Json, failure
from andon.cli.policy_topic import mistakes
from andon.cli.progress import reading
from andon.errors import AndonError, FileError
from andon.log_files import STDIN, size_of


class By(StrEnum):
    """For what a policy is drafted."""

    CAPABILITY = "capability"
    WORKFLOW = "workflow"


def tune(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="JSON lines, plain or .gz; - is standard input."),
    ],
    policy: Annotated[
        Path | None,
        typer.Option(help="Policy file whose bounds to tune.", show_default="the presets"),
    ] = None,
    by: Annotated[
        By, typer.Option(help="Without --policy: draft one policy for each of these.")
    ] = By.CAPABILITY,
    margin: Annotated[
        float, typer.Option(min=1.0, help="The bound, over the highest healthy rate.")
    ] = 2.0,
    as_json: Json = False,
) -> None:
    """Propose bounds from a history, which may hold incidents: print a policy file.

    Its comments say how each rate was distributed, what stood out and was left out, and how often
    the proposal would have tripped on this history. Reads the files two or three times.

    Exit status: 0; 2 for a policy or a file that cannot be read, or that has nothing to measure.
    """
    try:
        from andon.policy_file import load_policies
        from backtest.drafts import draft
        from backtest.logs import Log, tell_rejects
        from backtest.readings import Readings
        from backtest.tune import BLOCK_US, quiet, tried
        from backtest.tune import tune as run
        from backtest.tuned_text import as_json as told_as_json
        from backtest.tuned_text import text

        book = load_policies(policy) if policy else None
        with _kept(files) as names:
            size = size_of(names)
            if book is None:
                with reading("Survey", size) as told:
                    book = draft(Log(names, told), by.value)
            readings = Readings(quiet(book), BLOCK_US, levels=True)
            with reading("Measure", size) as told:
                log = Log(names, told)
                for records in log.batches():
                    tell_rejects(log, readings.take(records))
            tuning = run(readings, margin)
            with reading("Try out", size) as told:
                report = tried(tuning, Log(names, told))
    except FileError as error:
        raise mistakes(error, 2) from error
    except AndonError as error:
        raise failure("tune", error, 2) from error
    if as_json:
        typer.echo(json.dumps(told_as_json(tuning, report)))
    else:
        typer.echo(text(tuning, report), nl=False)


@contextmanager
def _kept(files: Sequence[str]) -> Iterator[list[str]]:
    """The files; standard input as one, so that it can be read again."""
    if STDIN not in files:
        yield list(files)
        return
    with tempfile.NamedTemporaryFile(prefix="andon-tune-") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        yield [copy.name if name == STDIN else name for name in files]
