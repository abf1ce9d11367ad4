"""What commands print: tables that are drawn on a terminal and plain elsewhere, facts, JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import typer

from andon.alert_text import clean

if TYPE_CHECKING:
    from backtest.tables import Table


def tell(told: Any, text: str, *, as_json: bool) -> None:
    """Print a fact: an object for machines, or a sentence for people."""
    typer.echo(json.dumps(told, indent=2) if as_json else clean(text))


def show(table: Table) -> None:
    """Print a table to standard output; Markdown elsewhere than on a terminal."""
    from backtest.tables import markdown

    if not sys.stdout.isatty():
        typer.echo("\n".join([*markdown(table), ""]))
        return
    from rich import table as drawing
    from rich.console import Console
    from rich.text import Text

    drawn = drawing.Table(*table.heads, title=table.title, title_justify="left")
    for row in table.rows:
        drawn.add_row(*map(Text, row))
    Console().print(drawn)


def show_rows(
    heads: Sequence[str], rows: Sequence[Sequence[str]], colours: Sequence[str] = ()
) -> None:
    """Print rows under their heads; in columns elsewhere than on a terminal.

    `colours`: of the second cell of each row, where it is told.
    """
    if not sys.stdout.isatty():
        show_columns([heads, *rows])
        return
    from rich.console import Console

    Console().print(table_of(heads, rows, colours))


def table_of(
    heads: Sequence[str], rows: Sequence[Sequence[str]], colours: Sequence[str] = ()
) -> Any:
    """The same as a table of rich."""
    from rich.table import Table
    from rich.text import Text

    drawn = Table(*heads)
    for row, colour in zip_longest(rows, colours, fillvalue=""):
        cells = list(map(Text, row))
        cells[1].stylize(colour)
        drawn.add_row(*cells)
    return drawn


def show_columns(rows: Sequence[Sequence[str]]) -> None:
    """Print rows so that their cells stand below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo(line.rstrip())
