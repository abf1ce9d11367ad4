"""`above: 4x usual`: the engine against the brute force, and cases worked out by hand."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.replay import replay
from detectors.columns import Records
from detectors.line import Line, Paused
from detectors.plan import compile_book
from tests.detectors.logs import Log
from tests.detectors.test_properties import written
from tests.detectors.test_snapshot import with_breaks
from tests.engine import assert_engine_agrees, engine_effects
from tests.eventlog import book, line
from tests.latched import Latched
from tests.reference import parsed

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
WEEK = 7 * DAY


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "rate": draw(st.sampled_from(["volume", "value"])),
        "over": draw(st.sampled_from(["60s", "1h", "1h", "5h", "36h"])),
        draw(st.sampled_from(["above", "at_least"])): draw(
            st.sampled_from(["1.5x usual", "2x usual", "4x usual"])
        ),
        "floor": draw(st.sampled_from([0.5, 0.5, 2, 300])),
    }
    if rule["rate"] == "value":
        return rule | {"currency": "USD"}
    return rule | {"of": draw(st.sampled_from(["events", "recipients", "recipients"]))}


STEP = st.sampled_from(
    [
        *(0, 1, 5 * MINUTE, 20 * MINUTE, HOUR, HOUR, 2 * HOUR, 5 * HOUR, 7 * HOUR, DAY, DAY - HOUR),
        *(WEEK, WEEK + HOUR, 10 * DAY, 100 * DAY, -1, -20 * MINUTE, -HOUR, -3 * HOUR),
    ]
)
AMOUNTS = {
    "recipients": st.sampled_from([0, 1, 7, 90, 400, 400, 3000, 9001]),
    "value": st.sampled_from([0, 0.1, 17.77, 400, 3000.3, 123456.78]),
}
IN_A_WEEK = st.tuples(
    st.sampled_from([0, 2, 2.5, 3, 20, 24, 25.9, 26, 48, 72, 74, 96, 120, 121, 146, 167.9]),
    st.fixed_dictionaries(AMOUNTS),
)
ODD = st.tuples(
    STEP,
    st.fixed_dictionaries(
        AMOUNTS
        | {
            "workflow": st.sampled_from([*["refunds"] * 9, "sends"]),
            "outcome": st.sampled_from([*["success"] * 5, "error"]),
        }
    ),
)


@st.composite
def long_logs(draw: st.DrawFn) -> Log:
    """The same week over and over, more or less, and then whatever comes."""
    week = sorted(draw(st.lists(IN_A_WEEK, min_size=1, max_size=12)), key=lambda act: act[0])
    steady, log, at = draw(st.booleans()), Log(), 0.0
    for number in range(draw(st.integers(1, 9))):
        for hours, fields in week:
            at = number * WEEK + hours * HOUR
            if steady or draw(st.integers(0, 7)):
                log.append(line(f"id-{len(log)}", at, currency="USD", **fields))
    for step, fields in draw(st.lists(ODD, max_size=20)):
        at += step
        log.append(line(f"id-{len(log)}", at, currency="USD", **fields))
    return log


@settings(max_examples=150, deadline=None)
@given(st.lists(rules(), min_size=1, max_size=3), long_logs())
def test_the_engine_gives_what_brute_force_gives(own: list[dict[str, Any]], log: Log) -> None:
    assert_engine_agrees(book(*own), log)


@settings(max_examples=60, deadline=None)
@given(rules(), long_logs(), st.sampled_from(["manual", "2h", "60h"]))
def test_a_pause_teaches_nothing(rule: dict[str, Any], log: Log, after: str) -> None:
    policy = book(rule, recover={"after": after, "trial": {"permits": 1, "pass": 1}})
    reference = Latched(policy)
    edges = [edge for event in parsed(log) for edge in reference.feed(event)]
    found = [
        detection.report()
        for taken in replay(policy, log, latch=True, batch_size=7)
        for detection in taken.effects.detections
    ]
    assert [one | {"observed": 0} for one in found] == [one | {"observed": 0} for one in edges]


@settings(max_examples=60, deadline=None)
@given(
    rules(),
    long_logs(),
    st.sets(st.integers(1, 100)),
    st.sampled_from(["runs", "leaks", "blocked"]),
)
def test_batches_change_nothing(
    rule: dict[str, Any], log: Log, cuts: set[int], paused: Paused
) -> None:
    inside = [cut for cut in cuts if cut < len(log)]
    policy = book(rule, recover={"after": "3h"})
    whole = written(engine_effects(policy, log, (), paused))
    assert written(engine_effects(policy, log, inside, paused)) == whole


@settings(max_examples=40, deadline=None)
@given(rules(), long_logs(), st.sets(st.integers(1, 100)))
def test_a_line_goes_on_where_its_snapshot_was_taken(
    rule: dict[str, Any], log: Log, breaks: set[int]
) -> None:
    compiled = compile_book(book(rule, recover={"after": "3h"}))
    whole = written([Line(compiled).take(Records(log)).effects])
    assert with_breaks(compiled, log, {at for at in breaks if at < len(log)}) == whole
