"""A line that was written down and read back decides as one that never was."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.policy import PolicyBook
from detectors.columns import Records
from detectors.line import Line
from detectors.plan import Compiled, compile_book
from detectors.profiles import Profiles
from detectors.snapshot import Snapshot, fingerprint, line_of, snapshot_of
from tests.detectors.logs import Log, books, logs
from tests.detectors.test_properties import written
from tests.eventlog import book


def through_a_file(snapshot: Snapshot) -> Snapshot:
    file = io.BytesIO()
    np.savez(file, **snapshot.arrays)
    file.seek(0)
    with np.load(file) as arrays:
        return Snapshot(dict(arrays), snapshot.names)


def with_breaks(compiled: Compiled, log: Log, breaks: set[int]) -> list[object]:
    line, effects = Line(compiled), []
    for start, end in zip([0, *sorted(breaks)], [*sorted(breaks), len(log)], strict=True):
        effects.append(line.take(Records(log[start:end])).effects)
        line = line_of(compiled, through_a_file(snapshot_of(line)))
    return written(effects)


@settings(max_examples=150, deadline=None)
@given(books(few_pauses=True), logs(), st.sets(st.integers(1, 49)))
def test_a_line_goes_on_where_its_snapshot_was_taken(
    book: PolicyBook, log: Log, breaks: set[int]
) -> None:
    compiled = compile_book(book)
    whole = written([Line(compiled).take(Records(log)).effects])
    assert with_breaks(compiled, log, {at for at in breaks if at < len(log)}) == whole


def test_a_snapshot_does_not_change_with_its_line() -> None:
    rule = {"rate": "volume", "over": "1h", "at_least": 2, "per": "target"}
    line = Line(compile_book(book(rule)))
    log = [event(n) for n in range(600)]
    line.take(Records(log[:300]))
    snapshot = snapshot_of(line)
    before = {name: array.copy() for name, array in snapshot.arrays.items()}
    line.take(Records(log[300:]))
    for name, array in snapshot.arrays.items():
        assert np.array_equal(array, before[name]), name


@settings(max_examples=50, deadline=None)
@given(books(few_pauses=True), logs())
def test_a_snapshot_of_what_was_read_back_is_the_same(book: PolicyBook, log: Log) -> None:
    compiled = compile_book(book)
    line = Line(compiled)
    line.take(Records(log))
    snapshot = snapshot_of(line)
    again = snapshot_of(line_of(compiled, through_a_file(snapshot)))
    assert again.names == snapshot.names
    assert again.arrays.keys() == snapshot.arrays.keys()
    for name, array in snapshot.arrays.items():
        assert again.arrays[name].tolist() == array.tolist(), name


def test_what_was_learnt_is_known_again(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = compile_book(book({"rate": "volume", "over": "1h", "at_least": 2000}))
    line = Line(compiled)
    line.take(Records([event(n) for n in range(100)]))
    line = line_of(compiled, through_a_file(snapshot_of(line)))
    monkeypatch.delattr(Profiles, "learn_actors")
    monkeypatch.delattr(Profiles, "learn_acts")
    taken = line.take(Records([event(n) for n in range(100, 200)]))
    assert not taken.effects.rejected
    assert line.windows.events_held == 200


def test_other_policies_have_another_fingerprint() -> None:
    one, other = (
        compile_book(book({"rate": "volume", "over": "1h", "at_least": n})) for n in (1, 2)
    )
    assert fingerprint(one) == fingerprint(one)
    assert fingerprint(one) != fingerprint(other)


def event(n: int) -> bytes:
    return json.dumps(
        {
            "event_id": str(n),
            "ts": f"2026-01-01T00:{n // 60:02}:{n % 60:02}Z",
            "workflow": "w",
            "automation": "a",
            "capability": "update",
            "action": "x",
            "target": f"t{n % 50}",
            "outcome": "success",
        }
    ).encode()
