"""Tables for people: drawn on a terminal, plain elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from backtest.tables import Table


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


def show_rows(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their heads; in columns elsewhere than on a terminal."""
    if not sys.stdout.isatty():
        show_columns([heads, *rows])
        return
    from rich import table as drawing
    from rich.console import Console
    from rich.text import Text

    drawn = drawing.Table(*heads)
    for row in rows:
        drawn.add_row(*map(Text, row))
    Console().print(drawn)


def show_columns(rows: Sequence[Sequence[str]]) -> None:
    """Print rows so that their cells stand below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo(line.rstrip())
