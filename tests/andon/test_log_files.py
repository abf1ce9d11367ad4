from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from andon import log_files
from andon.errors import FileError
from andon.log_files import read_blocks, read_lines, size_of

LINES = [b'{"a": 1}', b"", b"\xff", b"last"]
TEXT = b"\n".join(LINES)


@pytest.mark.parametrize("raw", [TEXT, TEXT + b"\n", TEXT.replace(b"\n", b"\r\n")])
def test_plain_and_gzipped_files_hold_the_same_lines(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(raw)
    (tmp_path / "zipped").write_bytes(gzip.compress(raw))

    assert list(read_lines(str(tmp_path / "log"))) == LINES
    assert list(read_lines(str(tmp_path / "zipped"))) == LINES


@pytest.mark.parametrize("chunk", [1, 2, 5])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_lines_are_the_same_wherever_a_read_ends(
    chunk: int, end: bytes, pack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "_CHUNK", chunk)
    (tmp_path / "log").write_bytes(pack(end.join(LINES)))
    assert list(read_lines(str(tmp_path / "log"))) == LINES


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_byte_order_mark_is_no_part_of_a_record(pack: Any, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(pack(b"\xef\xbb\xbf" + TEXT))
    assert list(read_lines(str(tmp_path / "log"))) == LINES


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_reader_hears_of_every_byte_on_disk(pack: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    Path(path).write_bytes(pack(b"".join(b"%d\n" % n for n in range(500_000))))
    told: list[int] = []
    for _ in read_blocks(path, told.append):
        pass
    assert sum(told) == size_of([path])
    assert len(told) > 3


def test_the_size_of_standard_input_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(TEXT)
    assert size_of([str(tmp_path / "log")] * 2) == 2 * len(TEXT)
    assert size_of([str(tmp_path / "log"), "-"]) is None
    assert size_of([str(tmp_path / "missing")]) is None


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    assert list(read_lines(str(tmp_path / "log"))) == []


@pytest.mark.parametrize("raw", [TEXT, gzip.compress(TEXT)])
def test_reads_standard_input(raw: bytes) -> None:
    code = "from andon.log_files import read_lines; print(list(read_lines('-')))"
    done = subprocess.run(
        [sys.executable, "-c", code], input=raw, capture_output=True, check=True, timeout=60
    )
    assert done.stdout.decode().strip() == repr(LINES)


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(FileError, match="cannot be read") as caught:
            list(read_lines(str(path)))
        assert caught.value.problems[0].file == str(path)


def test_a_file_that_breaks_off_gives_its_lines_and_then_names_the_next(tmp_path: Path) -> None:
    many = b"".join(b'{"event": %d}\n' % n for n in range(50_000))
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(many)[:-1000])
    seen: list[bytes] = []
    with pytest.raises(FileError) as caught:
        seen.extend(read_lines(str(cut)))
    assert seen == many.splitlines()[: len(seen)]
    assert seen
    assert caught.value.problems[0].line == len(seen) + 1


def test_a_file_that_is_no_gzip_inside_is_told(tmp_path: Path) -> None:
    broken = bytearray(gzip.compress(TEXT))
    broken[10:20] = b"\xff" * 10
    (tmp_path / "broken.gz").write_bytes(broken)
    with pytest.raises(FileError, match="cannot be read"):
        list(read_lines(str(tmp_path / "broken.gz")))
