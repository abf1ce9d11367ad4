"""Snapshots are shortcuts: one that cannot be used costs time and changes nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from faust.types import TP

from detectors.columns import Records
from detectors.forgetting import BOUNDS
from detectors.line import Line
from detectors.plan import compile_book
from detectors.snapshot import fingerprint, snapshot_of
from streams.snapshots import KEPT, Mark, Saved, Snapshots, marks, read, write
from tests.e2e.harness import Kafka
from tests.eventlog import book, line

COMPILED = compile_book(book({"rate": "volume", "over": "1h", "at_least": 3}))
OTHER = compile_book(book({"rate": "volume", "over": "1h", "at_least": 4}))
PRINT = fingerprint(COMPILED)
PART = TP("events", 0)


def saved(events: int) -> Saved:
    watched = Line(COMPILED)
    log = [line(str(n), n) for n in range(events)]
    watched.take(Records(log))
    return Saved(PRINT, Mark.of(events - 1, 0, log[-1]), snapshot_of(watched))


def test_the_newest_that_does_not_reach_too_far_is_read(tmp_path: Path) -> None:
    for events in (3, 7):
        write(tmp_path, PART, saved(events))
    for upto, last in ((2, None), (3, 2), (6, 2), (7, 6), (100, 6)):
        found = read(tmp_path, PART, PRINT, upto)
        assert (found and found.last.offset) == last
    assert read(tmp_path, TP("events", 1), PRINT, 100) is None
    assert read(tmp_path, PART, fingerprint(OTHER), 100) is None


def test_only_the_last_are_kept(tmp_path: Path) -> None:
    for events in range(1, 7):
        write(tmp_path, PART, saved(events))
    write(tmp_path, TP("events", 10), saved(1))
    mine = sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("events-0-"))
    assert len(mine) == KEPT
    assert mine[-1] == "events-0-00000000000000000005.npz"


@pytest.mark.parametrize("damage", [b"", b"PK", b"x" * 3000])
def test_a_damaged_file_is_passed_over(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, PART, saved(3))
    write(tmp_path, PART, saved(5))
    newest = max(tmp_path.iterdir())
    newest.write_bytes(damage or newest.read_bytes()[:-700])
    found = read(tmp_path, PART, PRINT, 100)
    assert found
    assert found.last.offset == 2
    assert newest.name in caplog.text


def test_one_bit_is_damage(tmp_path: Path) -> None:
    write(tmp_path, PART, saved(3))
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    at = content.index(np.array([saved(3).snapshot.arrays["rows"]["key"][0]]).tobytes())
    content[at] ^= 1
    path.write_bytes(content)
    assert read(tmp_path, PART, PRINT, 100) is None


def test_a_snapshot_of_another_log_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, PART, saved(3))
    standing = saved(3).last

    def restored(now: dict[TP, Mark]) -> bool:
        async def look_up(offsets: Mapping[TP, int]) -> dict[TP, Mark]:
            assert offsets == {PART: 2}
            return now

        return bool(
            asyncio.run(Snapshots(tmp_path, look_up, 60).restore(COMPILED, BOUNDS, {PART: 9}))
        )

    assert restored({PART: standing})
    assert not caplog.text
    assert not restored({PART: Mark.of(2, 0, b"something else")})
    assert not restored({PART: standing._replace(timestamp=1)})
    assert not restored({})
    assert caplog.text.count("read again") == 3


def test_a_full_disk_is_told_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way of a folder")

    async def look_up(offsets: Mapping[TP, int]) -> dict[TP, Mark]:
        return {}

    async def run() -> None:
        snapshots = Snapshots(tmp_path / "file", look_up, 0)
        snapshots.offer(PART, Line(COMPILED), Mark.of(0, 0, b""))
        await snapshots.close({})

    with caplog.at_level(logging.ERROR):
        asyncio.run(run())
    assert "no snapshot of" in caplog.text


def test_marks_are_what_the_log_holds(broker: str) -> None:
    kafka = Kafka(broker)
    kafka.produce([(b"marks", b"one"), (b"marks", b"two")])
    kafka.close()
    record = [each for each in Kafka(broker).read("execute.events") if each.key == b"marks"][-1]
    at = TP("execute.events", record.partition)
    found = asyncio.run(marks(broker, {at: record.offset}))
    assert found == {at: Mark.of(record.offset, record.timestamp, b"two")}
    assert asyncio.run(marks(broker, {at: record.offset + 1000})) == {}
