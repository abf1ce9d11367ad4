"""Event logs in files: a record a line, plain or gzipped, or standard input."""

from __future__ import annotations

import gzip
import os
import zlib
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from andon.errors import FileError, Problem

STDIN = "-"
_STDIN_FD = 0
_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 20


def read_lines(path: str) -> Iterator[bytes]:
    """The lines of a log without their ends; `-` is standard input. gzip is known by its bytes.

    Raises:
        FileError: the file cannot be opened, or cannot be read from the line on that is named.
    """
    return chain.from_iterable(read_blocks(path))


def read_blocks(path: str, told: Callable[[int], None] = lambda _: None) -> Iterator[list[bytes]]:
    """The same lines, as many at once as a read brings; `told` hears how many bytes it took."""
    line = 0
    standard = path == STDIN
    try:
        with open(_STDIN_FD if standard else path, "rb", closefd=not standard) as file:
            zipped = file.peek(len(_GZIP)).startswith(_GZIP)
            source = gzip.GzipFile(fileobj=file) if zipped else file
            begun, place = [b""], 0
            while chunk := source.read1(_CHUNK):
                if not place:
                    chunk = chunk.removeprefix(BOM_UTF8)  # Windows likes to write one
                first, *more = chunk.split(b"\n")
                begun.append(first)
                if more:
                    lines = [b"".join(begun), *more]
                    begun = [lines.pop()]
                    line += len(lines)
                    yield [raw.rstrip(b"\r") for raw in lines]
                here = place + len(chunk) if standard else file.tell()
                told(here - place)
                place = here
            if last := b"".join(begun):
                line += 1
                yield [last.rstrip(b"\r")]
    except (OSError, EOFError, zlib.error) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise FileError([Problem(path, line + 1, "file", f"cannot be read: {what}")]) from None


def size_of(paths: Sequence[str]) -> int | None:
    """Bytes of all files together; None where that is not known before they have been read."""
    try:
        return None if STDIN in paths else sum(os.path.getsize(path) for path in paths)
    except OSError:
        return None
