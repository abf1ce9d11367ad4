"""`method: evidence`: the engine against the brute force, and what a trip tells people."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.evidence import alternatives, proof
from detectors.line import Paused
from tests.detectors.logs import STEP, Log
from tests.detectors.test_properties import written
from tests.engine import assert_engine_agrees, engine_edges, engine_effects
from tests.eventlog import book, line

ERRORS = {
    "rate": "error",
    "over": "1h",
    "above": "5%",
    "method": "evidence",
    "false_trips": "1 in 1000000",
}
REVERSALS = ERRORS | {"rate": "reversal"}


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    rate = draw(st.sampled_from(["error", "denied", "reversal", "reversal", "reversal"]))
    rule: dict[str, Any] = {
        "rate": rate,
        "over": draw(st.sampled_from(["60s", "2m", "2m", "10m"])),
        "above": draw(st.sampled_from([0.01, "5%", "20%"])),
        "method": "evidence",
        "false_trips": draw(st.sampled_from(["1 in 100", "1 in 1000"])),
    }
    if per := draw(st.sampled_from([None, None, "target", "automation"])):
        rule["per"] = per
    if rate == "reversal":
        rule["attribute"] = draw(st.sampled_from(["arrival", "cohort", "cohort"]))
    return rule


EVENT = {
    "automation": st.sampled_from([*["agent-1"] * 5, "agent-2"]),
    "target": st.sampled_from([*["ch_1"] * 5, "ch_2"]),
    "outcome": st.sampled_from([*["success"] * 8, "error", "error", "denied"]),
}
UNDONE = st.sampled_from([*[None] * 3, 1, 2, 3, 4, 5, 6, 8, 10, -1])
SMALL_STEP = st.sampled_from([0, 0, 1, 1, 1, 2, 3, 5, -1, -2]) | STEP


@st.composite
def bad_logs(draw: st.DrawFn) -> Log:
    """Logs in which much goes wrong."""
    step = st.tuples(SMALL_STEP, UNDONE, st.fixed_dictionaries(EVENT))
    at, log = 0.0, []
    for n, (wait, undone, fields) in enumerate(draw(st.lists(step, min_size=20, max_size=60))):
        at += wait
        reverses = None if undone is None else f"id-{n - undone}"
        by = "automation" if undone is None else "human"
        log.append(line(f"id-{n}", at, reverses=reverses, **fields | {"by": by}))
    return log


@settings(max_examples=150, deadline=None)
@given(st.lists(rules(), min_size=1, max_size=4), bad_logs())
def test_the_engine_gives_what_brute_force_gives(rules: list[dict[str, Any]], log: Log) -> None:
    assert_engine_agrees(book(*rules), log)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(rules(), min_size=1, max_size=3),
    bad_logs(),
    st.sets(st.integers(1, 19)),
    st.sampled_from(["runs", "leaks", "blocked"]),
)
def test_batches_change_nothing(
    rules: list[dict[str, Any]], log: Log, cuts: set[int], paused: Paused
) -> None:
    policy = book(*rules, recover={"after": "60s"})
    whole = written(engine_effects(policy, log, (), paused))
    assert written(engine_effects(policy, log, cuts, paused)) == whole


@given(st.floats(1e-9, 0.99))
def test_no_factor_is_above_1_on_average_at_the_bound_or_below(null: float) -> None:
    """This is what the promise rests on."""
    assert all(null < rate <= 1 for rate in alternatives(null))
    test = proof(null, 1e6)
    for bad, good in zip(test.if_bad, test.if_good, strict=True):
        assert 0 <= good < 1 < bad
        assert null * bad + (1 - null) * good == pytest.approx(1, abs=1e-9)


def test_five_errors_in_a_row_are_not_proof_and_six_are() -> None:
    log = [line(f"e-{n}", n, outcome="error") for n in range(12)]
    [edge] = engine_edges(book(ERRORS), log)
    assert (edge["event_id"], edge["observed"], edge["events"]) == ("e-5", 1.0, 6)
    assert (edge["bound"], edge["window_s"]) == (0.05, 5)


def test_a_good_event_never_trips() -> None:
    """Good events alone raise the sums of alternatives near a small bound, up to a hundred."""
    rule = ERRORS | {"above": 0.0001, "false_trips": "1 in 100"}
    log = [line(f"good-{n}", n) for n in range(3000)]
    assert engine_edges(book(rule), log) == []


def test_a_gap_longer_than_over_starts_afresh() -> None:
    def errors(gap: int) -> list[bytes]:
        return [line(f"e-{n}", n + gap * (n > 2), outcome="error") for n in range(6)]

    assert len(engine_edges(book(ERRORS), errors(3599))) == 1
    assert engine_edges(book(ERRORS), errors(3600)) == []


def test_a_rule_that_keeps_tripping_is_told_once_until_over_has_passed() -> None:
    log = [line(f"e-{n}", 60 * n, outcome="error") for n in range(100)]
    assert len(engine_edges(book(ERRORS), log)) == 1
    later = [line(f"l-{n}", 60 * 99 + 3700 + n, outcome="error") for n in range(9)]
    assert [edge["event_id"] for edge in engine_edges(book(ERRORS), log + later)] == ["e-5", "l-5"]


def test_a_workflow_that_runs_again_starts_from_nothing() -> None:
    policy = book(ERRORS, recover={"after": "10m"})
    log = [line(f"e-{n}", n, outcome="error") for n in range(6)]
    log += [line(f"l-{n}", 1000 + n, outcome="error") for n in range(6)]
    effects = engine_effects(policy, log, (), "blocked")
    found = [one.event_id for batch in effects for one in batch.detections]
    assert found == ["e-5", "l-5"]


def test_evidence_forgets_no_bad_cohort_for_a_burst_of_good_actions() -> None:
    """A third of 60 actions is undone an hour later, after 5,000 good ones."""
    log = [line(f"bad-{n}", n) for n in range(60)]
    log += [line(f"good-{n}", 100 + n / 10) for n in range(5000)]
    log += [line(f"undo-{n}", 3600 + n, reverses=f"bad-{n}", by="human") for n in range(0, 60, 3)]
    [edge] = engine_edges(book(REVERSALS | {"over": "24h"}), log)
    assert edge["event_id"].startswith("undo-")
    assert 0.2 < edge["observed"] <= 0.5
    # From a window the burst hides it.
    window = {"rate": "reversal", "over": "24h", "above": "5%", "min": 100}
    assert engine_edges(book(window), log) == []


def test_what_is_told_is_the_stretch_since_the_rate_rose() -> None:
    log = [line(f"good-{n}", n) for n in range(400)]
    log += [line(f"e-{n}", 400 + n, outcome=("error", "success")[n % 2]) for n in range(60)]
    [edge] = engine_edges(book(ERRORS), log)
    assert edge["event_id"] == "e-16"
    assert (edge["observed"], edge["events"], edge["window_s"]) == (9 / 17, 17, 16)
    [found] = [one for batch in engine_effects(book(ERRORS), log) for one in batch.detections]
    assert set(found.event_ids) == {f"e-{n}" for n in range(0, 17, 2)}
    assert found.reason().text == "error rate 52.9% in 16s, bound 5%"
