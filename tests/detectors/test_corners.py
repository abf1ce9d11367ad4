"""Corners that made-up logs rarely reach, each against the reference."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from tests.engine import assert_engine_agrees, engine_effects
from tests.eventlog import book, line

USD = {"currency": "USD"}
TWO = {"rate": "volume", "over": "60s", "at_least": 2}
MONEY = {"rate": "value", "over": "60s", **USD}
UNDONE = {"rate": "reversal", "over": "60s", "at_least": "50%"}


def test_a_copy_of_a_copy_is_a_copy() -> None:
    log = [line("x", 0), line("x", 60), line("x", 119), line("y", 119.5), line("x", 120)]
    assert assert_engine_agrees(book(TWO), log) == 1


@pytest.mark.parametrize("cut", [0, 1, 200])
def test_a_reversal_waits_for_its_action_however_the_log_is_cut(cut: int) -> None:
    waiting = [line(f"u{n}", 119, reverses=f"none-{n}") for n in range(200)]
    for last, found in ((line("a", 119.9), 1), (line("a", 120), 0)):
        log = [line("undo", 0, reverses="a"), *waiting, last]
        cuts = range(cut, len(log), cut) if cut else ()
        assert_engine_agrees(book(UNDONE), log)
        assert len(detections(engine_effects(book(UNDONE), log, cuts))) == found


@pytest.mark.parametrize("value", [1e15, 1e22, 1e300, 1.7e308])
def test_absurd_values_break_nothing_and_leave_nothing_behind(value: float) -> None:
    """A value is any finite number: what follows is measured as if it had never been."""
    log = [
        line("absurd", 0, value=value, **USD),
        line("as-well", 0, value=value, **USD),
        line("small", 30, value=0.5, **USD),
        line("more", 60, value=0.5, **USD),
        line("full", 61, value=9, **USD),
    ]
    found = detections(engine_effects(book(MONEY | {"at_least": 10}, TWO), log))
    assert [(one["event_id"], one["rule"]) for one in found] == [
        ("absurd", "rule-0"),
        ("as-well", "rule-1"),
        ("full", "rule-0"),
    ]
    assert found[-1]["observed"] == 10.0
    assert all(math.isfinite(one["observed"]) for one in found)


def test_money_is_exact_to_the_cent() -> None:
    for cents in range(1, 4000, 37):
        thirds = [cents // 3, cents // 3, cents - 2 * (cents // 3)]
        log = [line(str(n), n, value=part / 100, **USD) for n, part in enumerate(thirds)]
        assert assert_engine_agrees(book(MONEY | {"at_least": cents / 100}), log) == 1
        assert assert_engine_agrees(book(MONEY | {"above": cents / 100}), log) == 0


def test_where_takes_exact_values_with_the_signs_of_globs() -> None:
    rule = TWO | {"at_least": 1, "where": {"action": "pay[draft]"}}
    assert assert_engine_agrees(book(rule), [line("a", 0, action="pay[draft]")]) == 1


@pytest.mark.parametrize("written", ["usd", "USD"])
def test_currencies_are_the_same_in_small_letters(written: str) -> None:
    log = [line("a", 0, value=1, currency="usd"), line("b", 1, value=1, currency="USD")]
    rule = MONEY | {"at_least": 2, "currency": written}
    assert assert_engine_agrees(book(rule), log) == 1


@pytest.mark.parametrize(
    "ts",
    [
        "0001-01-01T00:00:00.000Z",
        "1969-12-31T23:59:59.999999Z",
        "2026-01-31T08:00:00.123456Z",
        "9999-12-31T23:59:59.999999Z",
    ],
)
def test_any_time_that_can_be_written_can_be_measured(ts: str) -> None:
    assert assert_engine_agrees(book(TWO), [line("a", 0, ts=ts), line("b", 0, ts=ts)]) == 1


def test_offsets_and_small_letters_name_the_same_time() -> None:
    times = ["2026-01-31T08:00:00Z", "2026-01-31t09:00:00+01:00", "2026-01-31T02:59:00.5-05:00"]
    log = [line(str(n), 0, ts=ts) for n, ts in enumerate(times)]
    found = detections(engine_effects(book(TWO, TWO | {"at_least": 3}), log))
    assert [one["event_id"] for one in found] == ["1"]


def test_a_number_is_the_same_however_it_is_written() -> None:
    rule = {"rate": "duplicate", "over": "60s", "at_least": 3, "same": "value"}
    log = [
        line(name, 0, value=50, **USD).replace(b'"value": 50', b'"value": ' + text)
        for name, text in (("a", b"50"), ("b", b"50.0"), ("c", b"5e1"))
    ]
    assert assert_engine_agrees(book(rule), log) == 1


@pytest.mark.parametrize("value", [5.46e-6, 1e-10, 1.23456789, 98765432.109876])
def test_small_change_is_not_rounded_away(value: float) -> None:
    log = [line(str(n), n, value=value * (n + 1), currency="BTC") for n in range(3)]
    rule = MONEY | {"currency": "BTC"}
    assert assert_engine_agrees(book(rule | {"at_least": value * 5.9}), log) == 1
    assert assert_engine_agrees(book(rule | {"above": value * 6.1}), log) == 0


def detections(batches: Any) -> list[dict[str, Any]]:
    found = [one.report() for batch in batches for one in batch.detections]
    return json.loads(json.dumps(found, allow_nan=False))  # type: ignore[no-any-return]


@pytest.mark.parametrize("field", ["event_id", "target", "reverses", "run", "reason"])
def test_half_a_surrogate_pair_is_told_and_the_rest_goes_on(field: str) -> None:
    bad = json.dumps(json.loads(line("b", 0)) | {field: "\ud800"}).encode()
    log = [line("a", 0), bad, line("c", 0, run="r")]
    rule = TWO | {"rate": "steps", "at_least": 1}
    [effects] = engine_effects(book(TWO, rule), log)
    assert [(one.record, one.error.field) for one in effects.rejected] == [(1, field)]
    assert [one["event_id"] for one in detections([effects])] == ["c", "c"]


def test_an_id_that_is_used_again_a_window_later_names_both_actions() -> None:
    log = [
        *(line(f"before {n}", n) for n in range(2)),
        line("twin", 2),
        line("between", 61),
        line("twin", 62),
        line("undo", 30, reverses="twin"),
        line("late", 31),
        line("undo again", 32, reverses="twin"),
    ]
    for bound in ("20%", "25%", "40%"):
        assert_engine_agrees(book(UNDONE | {"at_least": bound}), log)


@pytest.mark.parametrize("last", [180, 181, 239, 241])
def test_of_an_id_that_is_used_again_every_use_is_remembered(last: int) -> None:
    log = [line("twin", 180), line("twin", 120), line("twin", last), line("other", last)]
    assert_engine_agrees(book(TWO), log)
    assert_engine_agrees(book(TWO), [line("twin", 100), line("twin", 30), *log[2:]])
