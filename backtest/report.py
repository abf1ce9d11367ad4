"""The backtest as people and scripts read it: log files in, JSON lines out."""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from andon.errors import AndonError
from andon.policy import PolicyBook
from backtest.ledger import Ledger
from backtest.replay import replay

STDIN = "-"


class LogError(AndonError):
    """A log file that cannot be read."""


class Log:
    """The records of several files, one after the other; knows where each one stood."""

    def __init__(self, files: Sequence[str]) -> None:
        self._files = files
        self._starts: list[tuple[int, str]] = []

    def __iter__(self) -> Iterator[bytes]:
        record = 0
        for name in self._files:
            self._starts.append((record, name))
            try:
                with _open(name) as file:
                    for line in file:
                        record += 1
                        yield line.rstrip(b"\r\n")
            except (OSError, EOFError, zlib.error) as error:
                raise LogError(f"{name}: cannot be read: {error}") from None

    def place(self, record: int) -> str:
        """`file:line` of a record, counted from 0 over all files."""
        start, name = next(entry for entry in reversed(self._starts) if entry[0] <= record)
        return f"{name}:{record - start + 1}"


def run(
    book: PolicyBook,
    files: Sequence[str],
    *,
    out: Path | None = None,
    latch: bool = False,
    as_json: bool = False,
) -> None:
    """Write the detections of a log as JSON lines, and its summary.

    Args:
        book: the policies.
        files: JSON lines, plain or .gz, in log order; `-` is standard input.
        out: where detections go instead of standard output.
        latch: let trips take effect, and add a line a workflow.
        as_json: print the summary as one object; detections then go to `out` alone.

    Raises:
        LogError: a file cannot be read.
    """
    log, ledger, records = Log(files), Ledger(), 0
    with ExitStack() as stack:
        target: IO[str] | None = None if as_json else sys.stdout
        if out is not None:
            target = stack.enter_context(_create(out))
        for taken in replay(book, log, latch=latch):
            ledger.add(taken)
            for detection in taken.effects.detections:
                _write(target, detection.report())
            for rejected in taken.effects.rejected:
                print(f"{log.place(records + rejected.record)}: {rejected.error}", file=sys.stderr)
            records += len(taken.columns.records.values)
        if latch:
            for workflow in ledger.workflows():
                _write(target, {"summary": "workflow", **workflow})
    if as_json:
        print(json.dumps(ledger.summary()))


def _write(target: IO[str] | None, line: dict[str, Any]) -> None:
    if target is not None:
        target.write(json.dumps(line, ensure_ascii=False) + "\n")


def _open(name: str) -> IO[bytes]:
    if name == STDIN:
        return sys.stdin.buffer
    return gzip.open(name) if name.endswith(".gz") else open(name, "rb")  # type: ignore[return-value]


def _create(path: Path) -> IO[str]:
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise LogError(f"{path}: cannot be written: {error}") from None
