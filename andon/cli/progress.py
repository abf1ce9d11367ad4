"""Bars for what takes long: on standard error, and only where a person looks on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

Advance = Callable[[int], None]
"""Takes how much more is done."""


@contextmanager
def reading(what: str, size: int | None) -> Iterator[Advance]:
    """A bar of bytes read; where nobody knows how many there are, a count of them."""
    from rich.progress import BarColumn, DownloadColumn, SpinnerColumn, TimeRemainingColumn

    columns: tuple[ProgressColumn, ...]
    if size is None:
        columns = (SpinnerColumn(), DownloadColumn())
    else:
        columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with _bar(what, size, *columns) as advance:
        yield advance


@contextmanager
def counting(what: str, total: int) -> Iterator[Advance]:
    """A bar of things done, so many of so many."""
    from rich.progress import BarColumn, MofNCompleteColumn, TimeElapsedColumn

    with _bar(what, total, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()) as advance:
        yield advance


@contextmanager
def _bar(what: str, total: int | None, *columns: ProgressColumn) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
        redirect_stdout=sys.stdout.isatty(),
    ) as bar:
        task = bar.add_task(what, total=total)
        yield lambda more: bar.advance(task, more)
