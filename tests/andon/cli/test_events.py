from __future__ import annotations

import gzip
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from andon.cli.events import app
from tests.andon.documents import REFUND, REVERSAL, raw

BAD = raw(REFUND | {"value": -1710})
PROGRAM = [sys.executable, "-c", "from andon.cli.events import app; app()", "check"]


def check(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["check", *map(str, arguments)])


def log(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"\n".join(lines))
    return path


def objects(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_valid_lines_are_counted(tmp_path: Path) -> None:
    done = check(log(tmp_path / "good", raw(REFUND), raw(REVERSAL)))
    assert (done.exit_code, done.stdout) == (0, "2 valid, 0 bad\n")


def test_each_bad_line_is_told_with_number_field_and_reason(tmp_path: Path) -> None:
    path = log(tmp_path / "mixed", raw(REFUND), BAD, b"", b"{", b"\xff")
    done = check(path)

    value, record, encoding, summary = done.stdout.splitlines()
    assert done.exit_code == 1
    assert value.startswith(f"{path}:2: value: ")
    assert value.endswith("got -1710")
    assert record.startswith(f"{path}:4: record: is not JSON")
    assert encoding == f"{path}:5: record: is not UTF-8 at byte 0"
    assert summary == "1 valid, 3 bad, 1 blank"


def test_json_is_an_object_a_line_and_the_last_sums_up(tmp_path: Path) -> None:
    path = log(tmp_path / "mixed", raw(REFUND), BAD, b" ")
    done = check(path, "--json")

    told, summary = objects(done.stdout)
    assert (told["file"], told["line"], told["field"]) == (str(path), 2, "value")
    assert told["reason"]
    assert summary == {"files": 1, "events": 1, "bad": 1, "blank": 1, "unreadable": 0}


def test_lines_are_numbered_anew_in_every_file(tmp_path: Path) -> None:
    first, second = log(tmp_path / "a", raw(REFUND), BAD), log(tmp_path / "b", BAD)
    told = objects(check("--json", first, second).stdout)[:-1]
    assert [(bad["file"], bad["line"]) for bad in told] == [(str(first), 2), (str(second), 1)]


def test_a_file_that_cannot_be_read_ends_with_2_after_the_others(tmp_path: Path) -> None:
    good, missing = log(tmp_path / "good", raw(REFUND)), tmp_path / "missing"
    done = check(missing, good)

    assert done.exit_code == 2
    assert str(missing) in done.stderr
    assert done.stdout == "1 valid, 0 bad, 1 of 2 files unreadable\n"


def test_a_gzip_that_breaks_off_tells_what_it_held(tmp_path: Path) -> None:
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(BAD + b"\n" + os.urandom(100_000).hex().encode())[:-9000])
    done = check("--json", cut)
    assert done.exit_code == 2
    assert objects(done.stdout)[0]["field"] == "value"
    assert "cannot be read" in done.stderr


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_reads_standard_input_without_a_word_of_progress(pack: Any) -> None:
    done = subprocess.run([*PROGRAM, "-"], input=pack(BAD), capture_output=True, timeout=60)
    assert done.returncode == 1
    assert done.stdout.startswith(b"-:1: value: ")
    assert done.stderr == b""


def test_a_terminal_sees_progress_and_standard_output_stays_clean(tmp_path: Path) -> None:
    path = log(tmp_path / "long", *[raw(REFUND)] * 5_000, BAD)
    ours, theirs = pty.openpty()
    with subprocess.Popen([*PROGRAM, str(path)], stdout=subprocess.PIPE, stderr=theirs) as done:
        os.close(theirs)
        output, _ = done.communicate(timeout=60)
    seen = os.read(ours, 100_000)
    os.close(ours)

    assert done.returncode == 1
    assert output.decode().splitlines()[1] == "5,000 valid, 1 bad"
    assert b"\x1b" not in output
    assert b"long" in seen
    assert re.search(rb"/\d+(\.\d+)? [kM]?B", seen), seen


DATA = Path(__file__).parents[4] / "shared" / "data"


@pytest.mark.skipif(
    not DATA.is_dir() and not os.environ.get("CI"), reason="the real logs are not at hand"
)
def test_the_real_logs_hold_one_bad_line() -> None:
    told = objects(check("--json", *sorted(DATA.glob("*.jsonl.gz"))).stdout)
    assert [(bad["line"], bad["field"]) for bad in told[:-1]] == [(1016, "value")]
    assert told[-1]["events"] > 20_000
