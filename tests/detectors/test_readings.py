"""What a line reads out: the rate of every rule at every event that it counts, and no more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings

from andon.policy import PolicyBook
from detectors.columns import Records
from detectors.line import Line
from detectors.plan import compile_book
from tests.detectors.logs import Log, books, logs
from tests.eventlog import book, line
from tests.reference import Reference, counted_in, measure, parsed, window_of

Measured = tuple[str, str, float, int]  # event, rule, rate, events


def read_out(policies: PolicyBook, log: Log, batch_size: int = 7) -> list[Measured]:
    compiled = compile_book(policies)
    reader, found = Line(compiled, "runs", read_out=True), list[Measured]()
    for start in range(0, len(log), batch_size):
        taken = reader.take(Records(log[start : start + batch_size]))
        found += [
            (
                taken.columns.events[int(reading["event"])].event_id,
                compiled.rules[int(reading["rule"])].name,
                float(reading["rate"]),
                int(reading["events"]),
            )
            for reading in taken.readings
        ]
    return found


def summed_afresh(policies: PolicyBook, log: Log) -> Iterator[Measured]:
    reference = Reference(policies)
    for event in parsed(log):
        reference.feed(event)
        policy = reference.policy_of(event)
        if policy is None or reference.fate != "counted":
            continue
        track = reference.tracks[event.workflow, policy.name]
        for rule in policy.rules:
            group = counted_in(track, rule, event)
            if group is not None:
                rate, events, _ = measure(track, rule, window_of(track, rule, group, event))
                yield event.event_id, rule.name, rate, events


@settings(max_examples=200, deadline=None)
@given(books(), logs())
def test_every_rate_is_read_out_as_brute_force_sums_it(policies: PolicyBook, log: Log) -> None:
    found, expected = read_out(policies, log), list(summed_afresh(policies, log))
    assert [(*one[:2], one[3]) for one in found] == [(*one[:2], one[3]) for one in expected]
    assert [one[2] for one in found] == pytest.approx([one[2] for one in expected], rel=1e-9)


def test_more_readings_than_there_is_room_for_at_once_are_all_there() -> None:
    rules = [{"rate": "volume", "over": f"{n}s", "at_least": 10**9} for n in range(1, 31)]
    log = [line(f"e{n}", n) for n in range(2_000)]
    assert len(read_out(book(*rules), log, len(log))) == 30 * 2_000


def test_nothing_is_read_out_unasked() -> None:
    rule = {"rate": "volume", "over": "60s", "at_least": 2}
    taken = Line(compile_book(book(rule)), "runs").take(Records([line("a", 0), line("b", 1)]))
    assert (len(taken.effects.detections), taken.readings.size) == (1, 0)
