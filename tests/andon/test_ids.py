from __future__ import annotations

import multiprocessing
import random
import subprocess
import sys
import time
import uuid

from hypothesis import given
from hypothesis import strategies as st

from andon.ids import derived_id, uuid7

PARTS = st.lists(st.text(max_size=8), max_size=4)


def test_uuid7_is_version_7_of_now() -> None:
    before_ms = time.time_ns() // 1_000_000
    made = uuid.UUID(uuid7())
    after_ms = time.time_ns() // 1_000_000

    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert before_ms <= made.int >> 80 <= after_ms


def test_uuid7_never_repeats() -> None:
    assert len({uuid7() for _ in range(10_000)}) == 10_000


def test_uuid7_repeats_in_no_forked_child_and_for_no_seed() -> None:
    random.seed(7)
    ids = {uuid7()}
    random.seed(7)
    context = multiprocessing.get_context("fork")
    with context.Pool(2) as pool:
        ids.update(pool.map(_new, range(20), chunksize=1))
    assert len(ids | {uuid7()}) == 22


def _new(_: int) -> str:
    return uuid7()


@given(kind=st.text(max_size=8), parts=PARTS, others=PARTS)
def test_derived_id_is_equal_exactly_for_equal_parts(
    kind: str, parts: list[str], others: list[str]
) -> None:
    assert derived_id(kind, *parts) == derived_id(kind, *parts)
    assert (derived_id(kind, *parts) == derived_id(kind, *others)) == (parts == others)


def test_derived_id_keeps_apart_parts_that_hold_control_characters() -> None:
    assert derived_id("command", "a\x1fb", "c") != derived_id("command", "a", "b\x1fc")


def test_derived_id_takes_numbers_as_their_text() -> None:
    assert derived_id("command", "refunds", 7) == derived_id("command", "refunds", "7")


def test_derived_id_is_the_same_in_another_process() -> None:
    code = "from andon.ids import derived_id; print(derived_id('command', 'Rückgabe', 1))"
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert other.stdout.strip() == derived_id("command", "Rückgabe", 1)
