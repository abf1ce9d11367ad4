"""Event logs in files: a record a line, plain or gzipped, or standard input."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator

from andon.errors import FileError, Problem

STDIN = "-"
_STDIN_FD = 0
_GZIP = b"\x1f\x8b"


def read_lines(path: str) -> Iterator[bytes]:
    """The lines of a log without their ends; `-` is standard input. gzip is known by its bytes.

    Raises:
        FileError: the file cannot be opened, or cannot be read from the line on that is named.
    """
    line = 0
    standard = path == STDIN
    try:
        with open(_STDIN_FD if standard else path, "rb", closefd=not standard) as file:
            zipped = file.peek(len(_GZIP)).startswith(_GZIP)
            lines: Iterable[bytes] = gzip.GzipFile(fileobj=file) if zipped else file
            for raw in lines:
                line += 1
                yield raw.rstrip(b"\r\n")
    except (OSError, EOFError, zlib.error) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise FileError([Problem(path, line + 1, "file", f"cannot be read: {what}")]) from None
