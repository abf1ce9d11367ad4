"""The engine as tests call it, and what it means to agree with the reference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest

from andon.policy import PolicyBook
from detectors.columns import Records
from detectors.effects import Effects
from detectors.line import Line, Paused
from detectors.plan import compile_book
from tests.reference import rising_edges


def engine_effects(
    book: PolicyBook, log: Sequence[bytes], cuts: Iterable[int] = (), paused: Paused = "runs"
) -> list[Effects]:
    """What the engine wants done, when the log is cut into batches before these records."""
    line = Line(compile_book(book), paused)
    batches = [log[a:b] for a, b in pairwise([0, *sorted(cuts), len(log)])]
    return [line.take(Records(batch)).effects for batch in batches]


def engine_edges(
    book: PolicyBook, log: Sequence[bytes], cuts: Iterable[int] = ()
) -> list[dict[str, Any]]:
    """All rising edges, when nothing is ever paused."""
    effects = engine_effects(book, log, cuts)
    return [found.report() for batch in effects for found in batch.detections]


def assert_agrees(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Equal, in order, to the last detection; what was summed may differ by 1e-9 of itself."""
    for one, other in zip(found, expected, strict=False):
        assert one == other | {"observed": pytest.approx(other["observed"], rel=1e-9)}
    assert found[len(expected) :] == expected[len(found) :] == []


def agreed_edges(book: PolicyBook, log: Sequence[bytes]) -> list[dict[str, Any]]:
    """The rising edges that engine and reference find alike."""
    expected = rising_edges(book, log)
    assert_agrees(engine_edges(book, log), expected)
    return expected


def assert_engine_agrees(book: PolicyBook, log: Sequence[bytes]) -> int:
    """How many rising edges engine and reference find alike."""
    return len(agreed_edges(book, log))
