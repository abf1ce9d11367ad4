"""Run policies over a log, without a broker: the same code as live."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from andon.policy import PolicyBook
from detectors.columns import Records
from detectors.line import Line, Taken
from detectors.plan import compile_book

BATCH = 10_000


def replay(
    book: PolicyBook, lines: Iterable[bytes], *, batch_size: int = BATCH, latch: bool = False
) -> Iterator[Taken]:
    """Judge a log, one JSON event a line, in log order.

    Args:
        book: the policies.
        lines: raw records; a line that is no event comes back as rejected.
        batch_size: how many lines are judged at once; it changes nothing but memory and speed.
        latch: let trips take effect: a paused workflow's events are not executed.
    """
    line = Line(compile_book(book), "blocked" if latch else "runs")
    source = iter(lines)
    while batch := list(islice(source, batch_size)):
        yield line.take(Records(batch))
