"""What the lines hold, written to files, so that a restart need not read the whole log again.

A file is a shortcut and never the truth: where it is missing, damaged, of other policies, of other
code or of another log, the log is read from its beginning. So it may be deleted at any time.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP
from xxhash import xxh3_64_hexdigest

from detectors.snapshot import Snapshot

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

    last: Mark
    snapshot: Snapshot


class Snapshots:
    """The files of a folder, of lines with this fingerprint."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self._folder = folder
        self._fingerprint = fingerprint

    def write(self, tp: TP, saved: Saved) -> None:
        """Write a file, whole or not at all, and remove those that it makes needless.

        Raises:
            OSError: the disk would not have it.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        about = json.dumps([self._fingerprint, saved.last]).encode()
        texts = {"names": saved.snapshot.names, "about": about}
        arrays = {name: np.frombuffer(text, np.uint8) for name, text in texts.items()}
        with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".part", delete=False) as file:
            try:
                np.savez(file, allow_pickle=False, **arrays, **saved.snapshot.arrays)
                file.close()
                os.replace(file.name, self._folder / f"{_stem(tp)}{saved.last.offset:020}.npz")
            except BaseException:
                os.unlink(file.name)
                raise
        for old in self._files(tp)[KEPT:]:
            old.unlink(missing_ok=True)

    def read(self, tp: TP, upto: int) -> Saved | None:
        """The newest that is not beyond the offset `upto`, if there is any to be used."""
        for path in self._files(tp):
            if int(path.stem.removeprefix(_stem(tp))) >= upto:
                continue
            try:
                with np.load(path) as file:
                    arrays: dict[str, Any] = dict(file)
                fingerprint, last = json.loads(arrays.pop("about").tobytes())
                if fingerprint == self._fingerprint:
                    names = arrays.pop("names").tobytes()
                    return Saved(Mark(*last), Snapshot(arrays, names))
            except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
                log.warning("%s cannot be read, and is not needed: %s", path, error)
        return None

    def _files(self, tp: TP) -> list[Path]:
        """The newest first."""
        return sorted(self._folder.glob(f"{_stem(tp)}{'[0-9]' * 20}.npz"), reverse=True)


def _stem(tp: TP) -> str:
    return f"{tp.topic}-{tp.partition}-"


async def marks(bootstrap_servers: str, offsets: Mapping[TP, int]) -> dict[TP, Mark]:
    """What stands in the log at these offsets now, where anything does."""
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
