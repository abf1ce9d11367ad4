"""Tables for people: drawn on a terminal, Markdown elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from backtest.tables import Table


def show(table: Table) -> None:
    """Print a table to standard output."""
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
