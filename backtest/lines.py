"""The backtest as people and scripts read it: log files in, JSON lines out."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from andon.errors import AndonError
from andon.policy import PolicyBook
from backtest.ledger import Ledger
from backtest.logs import Log, tell_rejects
from backtest.replay import replay


class OutputError(AndonError):
    """A file that cannot be written."""


def run(
    book: PolicyBook,
    log: Log,
    *,
    out: Path | None = None,
    latch: bool = False,
    as_json: bool = False,
) -> None:
    """Write the detections of a log as JSON lines, and its summary.

    Args:
        book: the policies.
        log: the records; what is no event is told on standard error.
        out: where detections go instead of standard output.
        latch: let trips take effect, and add a line a workflow.
        as_json: print the summary as one object; detections then go to `out` alone.

    Raises:
        FileError: a file cannot be read.
        OutputError: `out` cannot be written.
    """
    ledger = Ledger()
    with ExitStack() as stack:
        target: IO[str] | None = None if as_json else sys.stdout
        if out is not None:
            target = stack.enter_context(_create(out))
        for taken in replay(book, log, latch=latch):
            ledger.add(taken)
            for detection in taken.effects.detections:
                _write(target, detection.report())
            tell_rejects(log, taken)
        if latch:
            for workflow in ledger.workflows():
                _write(target, {"summary": "workflow", **workflow})
    if as_json:
        print(json.dumps(ledger.summary()))


def _write(target: IO[str] | None, line: dict[str, Any]) -> None:
    if target is not None:
        target.write(json.dumps(line, ensure_ascii=False) + "\n")


def _create(path: Path) -> IO[str]:
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error}") from None
