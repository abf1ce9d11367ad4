"""A very busy workflow: exact up to a stated size, then coarser by a stated measure, and told."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.policy import PolicyBook
from detectors.columns import Records
from detectors.forgetting import Bounds
from detectors.line import Line
from detectors.plan import Compiled, compile_book
from detectors.snapshot import line_of, snapshot_of
from tests.detectors.test_properties import written
from tests.eventlog import book, line

NEVER = 1e12
TIGHT = Bounds(events_exact=400)
WINDOWS = [
    {"rate": "volume", "over": "10s", "at_least": NEVER},
    {"rate": "volume", "over": "1h", "at_least": NEVER},
    {"rate": "value", "over": "2h", "at_least": NEVER, "currency": "USD"},
    {"rate": "error", "over": "2h", "above": "99%"},
    {"rate": "volume", "over": "90m", "at_least": NEVER, "per": "action"},
    {"rate": "reversal", "attribute": "arrival", "over": "100m", "above": "99%"},
]
ALONE = [
    {"rate": "reversal", "over": "50m", "above": "99%"},
    {"rate": "duplicate", "over": "50m", "at_least": NEVER, "same": "target"},
]


def a_busy_log(seed: int, length: int, per_s: float = 2) -> list[bytes]:
    """One workflow, some of whose events are late."""
    chance, log = random.Random(seed), []
    for n in range(length):
        undoes = {"reverses": f"e{chance.randrange(n + 1)}"} if chance.random() < 0.1 else {}
        log.append(
            line(
                f"e{n}",
                n / per_s - chance.choice([0, 0, 0, 0, 30]),
                action=chance.choice(["a", "b"]),
                target=f"t{chance.randrange(9)}",
                outcome=chance.choice(["success", "success", "error"]),
                value=chance.randrange(100),
                currency="USD",
                **undoes,
            )
        )
    return log


def readings(compiled: Compiled, log: list[bytes], bounds: Bounds) -> tuple[Any, Line]:
    watched = Line(compiled, "runs", bounds=bounds, read_out=True)
    return watched.take(Records(log)).readings, watched


def test_sums_hold_little_too_much_and_never_too_little() -> None:
    compiled, log = compile_book(book(*WINDOWS)), a_busy_log(1, 100_000, per_s=10)
    exact, whole = readings(compiled, log, Bounds())
    coarse, watched = readings(compiled, log, Bounds(events_exact=30_000))
    assert whole.windows.coarse == 0
    assert watched.windows.coarse == 1
    assert whole.windows.events_held == 100_000
    assert watched.windows.events_held <= 30_000
    assert np.array_equal(exact[["event", "rule"]], coarse[["event", "rule"]])
    for rule, terms in enumerate(WINDOWS):
        one, other = (found["rate"][found["rule"] == rule] for found in (exact, coarse))
        if terms["rate"] in ("volume", "value"):
            assert (other >= one).all()
            assert (other[1000:] <= one[1000:] * (1 + 3 / 512 + 0.002)).all()  # and some chance
            assert (other > one).any() or terms["over"] == "10s"
        else:
            assert np.abs(other - one).max() < 0.002
    short = exact["rule"] == 0
    assert np.array_equal(exact["rate"][short], coarse["rate"][short])


def test_what_needs_every_event_looks_at_the_newer_ones() -> None:
    compiled, log = compile_book(book(*ALONE)), a_busy_log(2, 3000)
    exact, _ = readings(compiled, log, Bounds())
    coarse, watched = readings(compiled, log, TIGHT)
    assert watched.windows.events_held <= 400
    for rule in range(2):
        mine, theirs = (found["events"][found["rule"] == rule] for found in (coarse, exact))
        assert np.array_equal(mine[:200], theirs[:200])
        assert (mine <= theirs).all()
        assert mine.max() <= 400
    assert exact["events"].max() > 400
    assert 0 < coarse["rate"][coarse["rule"] == 0].mean() < 0.1


def test_where_nothing_is_alike_windows_become_shorter() -> None:
    rule = {"rate": "volume", "over": "1h", "at_least": NEVER, "per": "target"}
    log = [line(f"e{n}", n, target=f"t{n}") for n in range(2000)]
    _, watched = readings(compile_book(book(rule)), log, TIGHT)
    assert watched.windows.events_held <= 400
    assert watched.windows.groups_held <= 400
    assert watched.windows.coarse == 1


def test_it_is_told_once() -> None:
    effects = Line(compile_book(book(*WINDOWS)), bounds=TIGHT).take(Records(a_busy_log(3, 3000)))
    (told,) = [audit for audit in effects.effects.audits if audit.kind == "coarse"]
    assert told.workflow == "refunds"
    assert told.reason
    assert told.reason.event_ids == ["e400"]


RULES: list[dict[str, Any]] = [
    {"rate": "volume", "over": "1m", "at_least": 110},
    {"rate": "error", "over": "10m", "above": "36%", "min": 50},
    {
        "rate": "error",
        "over": "20m",
        "above": "20%",
        "method": "evidence",
        "false_trips": "1 in 1000",
    },
    {"rate": "value", "over": "5m", "at_least": 20_000, "currency": "USD"},
    {"rate": "reversal", "over": "10m", "above": "6%", "min": 50},
    {"rate": "duplicate", "over": "5m", "at_least": 35, "same": "target"},
]
BOOK: PolicyBook = book(*RULES)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 99), st.sets(st.integers(1, 1499), max_size=30))
def test_neither_batches_nor_restarts_change_anything(seed: int, cuts: set[int]) -> None:
    log, compiled = a_busy_log(seed, 1500), compile_book(BOOK)
    bounds = Bounds(events_exact=200)
    whole = written([Line(compiled, bounds=bounds).take(Records(log)).effects])
    watched, effects = Line(compiled, bounds=bounds), []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(log)], strict=True):
        effects.append(watched.take(Records(log[start:end])).effects)
        watched = line_of(compiled, snapshot_of(watched), bounds)
    assert written(effects) == whole
    assert any(whole[0])


@pytest.mark.parametrize("events_exact", [1, 2, 3, 10])
def test_however_little_is_exact(events_exact: int) -> None:
    _, watched = readings(compile_book(BOOK), a_busy_log(4, 500), Bounds(events_exact=events_exact))
    assert watched.windows.events_held <= events_exact
    assert watched.take(Records([line("last", 400)])).fates.tolist() == [0]
