"""The engine against the brute force, on logs and policies that hypothesis makes up."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from andon.policy import PolicyBook
from detectors.effects import Effects
from detectors.line import Paused
from tests.detectors.logs import Log, books, logs
from tests.engine import assert_engine_agrees, engine_effects


@settings(max_examples=400, deadline=None)
@given(books(), logs())
def test_the_engine_gives_what_brute_force_gives(book: PolicyBook, log: Log) -> None:
    assert_engine_agrees(book, log)


@settings(max_examples=150, deadline=None)
@given(
    books(few_pauses=True),
    logs(),
    st.sets(st.integers(1, 49)),
    st.sampled_from(["runs", "leaks", "blocked"]),
)
def test_batches_change_nothing(book: PolicyBook, log: Log, cuts: set[int], paused: Paused) -> None:
    inside = [cut for cut in cuts if cut < len(log)]
    assert written(engine_effects(book, log, inside, paused)) == written(
        engine_effects(book, log, (), paused)
    )


def written(batches: list[Effects]) -> list[list[Any]]:
    """Detections, and the bytes of every command, audit line and alert, in order."""
    return [
        [found.report() for batch in batches for found in batch.detections],
        *(
            [record.to_json() for batch in batches for record in getattr(batch, kind)]
            for kind in ("commands", "audits", "alerts")
        ),
    ]
