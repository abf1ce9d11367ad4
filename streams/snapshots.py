"""What the lines hold, written to files, so that a restart need not read the whole log again.

A file is a shortcut and never the truth: where it is missing, damaged, of other policies, of other
code or of another log, the log is read from its beginning. So it may be deleted at any time.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP
from xxhash import xxh3_64_hexdigest

from andon.topics import SCOPES
from detectors.forgetting import Bounds
from detectors.line import Line
from detectors.plan import Compiled
from detectors.snapshot import Snapshot, fingerprint, line_of, snapshot_of

KEPT = 2
"""Files a partition: the last one may be ahead of what the group had committed at a crash."""

READ_TIMEOUT_MS = 10_000

log = logging.getLogger("andon.monitor")


class Mark(NamedTuple):
    """A record by which a log is known again."""

    offset: int
    timestamp: int
    digest: str

    @classmethod
    def of(cls, offset: int, timestamp: int, value: bytes | None) -> Mark:
        """The mark of a record of the log."""
        return cls(offset, timestamp, xxh3_64_hexdigest(value or b""))


class Saved(NamedTuple):
    """A line's state after the record `last`."""

    fingerprint: str
    last: Mark
    snapshot: Snapshot

    @classmethod
    def of(cls, line: Line, last: Mark) -> Saved:
        """A copy of what the line holds now."""
        return cls(fingerprint(line.compiled, line.bounds), last, snapshot_of(line))


LookUp = Callable[[Mapping[TP, int]], Awaitable[dict[TP, Mark]]]
"""What stands in the log at these offsets now, where anything does."""


class Snapshots:
    """Takes snapshots of lines from time to time, and makes lines of them."""

    def __init__(
        self,
        folder: Path,
        look_up: LookUp,
        every_s: float,
        written: Callable[[], None] = lambda: None,
    ) -> None:
        """`written` hears of each file; of a line there is one in `every_s` seconds at the most."""
        self._folder = folder
        self._look_up = look_up
        self._every_s = every_s
        self._written = written
        self._due: dict[TP, float] = {}
        self._writing: dict[TP, asyncio.Task[None]] = {}

    async def restore(
        self, compiled: Compiled, bounds: Bounds, committed: Mapping[TP, int]
    ) -> dict[TP, tuple[Line, int]]:
        """Lines as they stood at most at these offsets, each with the offset that it reads next."""
        saved, wanted = {}, fingerprint(compiled, bounds)
        for tp, upto in committed.items():
            found = await asyncio.to_thread(read, self._folder, tp, wanted, upto)
            if found is not None:
                saved[tp] = found
        if not saved:
            return {}
        now = await self._look_up({tp: at.last.offset for tp, at in saved.items()})
        lines = {}
        for tp, found in saved.items():
            if now.get(tp) == found.last:
                scoped = tp.topic == SCOPES
                line = line_of(compiled, found.snapshot, bounds, scoped=scoped)
                lines[tp] = (line, found.last.offset + 1)
            else:
                log.warning("%s is not the log that its snapshot is of: it is read again", tp)
        return lines

    def offer(self, tp: TP, line: Line, last: Mark) -> None:
        """Write the line down if it is time; `last` is the last record that it has judged."""
        due = self._due.setdefault(tp, monotonic() + self._every_s)
        if monotonic() >= due and tp not in self._writing:
            self._due[tp] = monotonic() + self._every_s
            now = Saved.of(line, last)  # not in the task: the line goes on
            self._writing[tp] = task = asyncio.create_task(self._write(tp, now))
            task.add_done_callback(lambda _: self._writing.pop(tp))

    async def close(self, lines: Mapping[TP, tuple[Line, Mark]]) -> None:
        """Write these lines down, whatever the time."""
        await asyncio.gather(*self._writing.values())
        for tp, (line, last) in lines.items():
            await self._write(tp, Saved.of(line, last))

    async def _write(self, tp: TP, saved: Saved) -> None:
        try:
            await asyncio.to_thread(write, self._folder, tp, saved)
            self._written()
        except OSError as error:
            log.error("no snapshot of %s: %s; a restart would read the log again", tp, error)


def write(folder: Path, tp: TP, saved: Saved) -> None:
    """Write a file, whole or not at all, and remove those that it makes needless.

    Raises:
        OSError: the disk would not have it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    about = json.dumps([saved.fingerprint, saved.last]).encode()
    texts = {"names": saved.snapshot.names, "about": about}
    arrays = {name: np.frombuffer(text, np.uint8) for name, text in texts.items()}
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as file:
        try:
            np.savez(file, allow_pickle=False, **arrays, **saved.snapshot.arrays)
            file.close()
            os.replace(file.name, folder / f"{_stem(tp)}{saved.last.offset:020}.npz")
        except BaseException:
            os.unlink(file.name)
            raise
    for old in _files(folder, tp)[KEPT:]:
        old.unlink(missing_ok=True)


def read(folder: Path, tp: TP, wanted: str, upto: int) -> Saved | None:
    """The newest with the wanted fingerprint that does not reach the offset `upto`, if any."""
    for path in _files(folder, tp):
        if int(path.stem.removeprefix(_stem(tp))) >= upto:
            continue
        try:
            with np.load(path) as file:
                arrays: dict[str, Any] = dict(file)
            found, last = json.loads(arrays.pop("about").tobytes())
            if found == wanted:
                names = arrays.pop("names").tobytes()
                return Saved(found, Mark(*last), Snapshot(arrays, names))
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            log.warning("%s cannot be read, and is not needed: %s", path.name, error)
    return None


def _files(folder: Path, tp: TP) -> list[Path]:
    """The newest first."""
    return sorted(folder.glob(f"{_stem(tp)}{'[0-9]' * 20}.npz"), reverse=True)


def _stem(tp: TP) -> str:
    return f"{tp.topic}-{tp.partition}-"


async def marks(bootstrap_servers: str, offsets: Mapping[TP, int]) -> dict[TP, Mark]:
    """Look the log up on the broker."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(*tp) for tp in offsets]
        consumer.assign(partitions)
        firsts = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        found = {}
        for tp, offset in offsets.items():
            if not firsts[tp] <= offset < ends[tp]:
                continue
            consumer.seek(TopicPartition(*tp), offset)
            records = await consumer.getmany(
                TopicPartition(*tp), timeout_ms=READ_TIMEOUT_MS, max_records=1
            )
            for record in records.get(TopicPartition(*tp), []):
                found[tp] = Mark.of(record.offset, record.timestamp, record.value)
        return found
    finally:
        await consumer.stop()
