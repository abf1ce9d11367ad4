"""`andon backtest`: what would these policies have done with that log?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from andon.cli.progress import reading
from andon.errors import AndonError
from andon.log_files import size_of


def backtest(
    files: Annotated[list[str], typer.Argument(help="JSON lines, plain or .gz; - is stdin.")],
    policy: Annotated[Path, typer.Option(help="Policy file.")],
    out: Annotated[Path | None, typer.Option(help="Write there, not to standard output.")] = None,
    latch: Annotated[
        bool, typer.Option("--latch", help="Let trips take effect, and sum up each workflow.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one object as summary.")] = False,
) -> None:
    """Run policies over a log: one JSON line for each time a rule crosses its bound.

    Exit status: 0; 2 for a policy or a file that cannot be read.
    """
    from andon.policy_file import load_policies
    from backtest.lines import run
    from backtest.logs import Log

    try:
        book = load_policies(policy)
        with reading("Backtest", size_of(files)) as told:
            run(book, Log(files, told), out=out, latch=latch, as_json=as_json)
    except AndonError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
