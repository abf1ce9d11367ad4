"""Bounds proposed from a log, and what they would have done on that log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from andon.errors import AndonError
from andon.events import parse_ts
from andon.policy import Policy, PolicyBook, Rule
from backtest.bounds import EVIDENCE_MIN, Found, History, look_at
from backtest.logs import Source
from backtest.readings import Readings
from backtest.replay import rules_alone
from backtest.simulation import Simulation
from detectors.plan import MICRO, Compiled, compile_book
from detectors.times import micros

Json = dict[str, Any]
DAY_US = 86_400 * MICRO
BLOCK_US = DAY_US // 2**13
"""10.5 s, which doubled thirteen times is a day."""
STRETCHES = 30
"""Into so many a history is cut at least; a long one into days."""
RESUME_AFTER_S = 86_400


class TuneError(AndonError):
    """A log without anything that the policies measure."""


class Proposal(NamedTuple):
    """One rule with its new bound. `found` is None where it is not history's to say."""

    policy: Policy
    before: Rule
    rule: Rule
    found: Found | None
    held_out: tuple[int, int]  # healthy stretches of the last third: beyond the bound, and all


class Tuning(NamedTuple):
    """All rules, and the history that they come from."""

    book: PolicyBook
    proposals: list[Proposal]
    workflows: list[str]
    block_us: int
    margin: float


def tune(readings: Readings, margin: float) -> Tuning:
    """Propose a bound for each rule of the readings' book.

    Raises:
        TuneError: no rule measured anything.
    """
    history = _history(readings)
    book = readings.compiled.book
    places = iter(range(len(readings.compiled.rules)))
    proposals = [
        _proposal(policy, rule, next(places), history, margin)
        for policy in book.policies
        for rule in policy.rules
    ]
    rules = iter(proposals)
    policies = tuple(
        policy.model_copy(update={"rules": tuple(next(rules).rule for _ in policy.rules)})
        for policy in book.policies
    )
    tuned = book.model_copy(update={"policies": policies})
    return Tuning(tuned, proposals, readings.workflows, history.block_us, margin)


def quiet(book: PolicyBook) -> Compiled:
    """A book whose rules measure and never trip; those by evidence measure their window."""
    compiled = compile_book(book)
    rules = compiled.plan.rules
    rules["least"][rules["by_evidence"]] = EVIDENCE_MIN
    rules["by_evidence"] = False
    rules["bound"] = np.inf
    return compiled


def tried(tuning: Tuning, source: Source) -> Json:
    """The report of the history under the proposed bounds.

    A person is taken to let a workflow run again after a day. Each pause tells what the history
    was like at its trip: `apart`, `health`, or `unknown` where there was too little of it.
    """
    simulation = Simulation(rules_alone(tuning.book), resume_after_s=RESUME_AFTER_S)
    for records in source.batches():
        simulation.take(records)
    report = simulation.report()
    judged = dict(_judged(tuning))
    for pause in report["pauses"]:
        block = micros(parse_ts(pause["tripped"])) // tuning.block_us
        key = (pause["policy"], pause["rule"], pause["workflow"], block)
        pause["history"] = judged.get(key, "unknown")
    return report


def _judged(tuning: Tuning) -> Iterator[tuple[tuple[str, str, str, int], str]]:
    for one in tuning.proposals:
        if one.found:
            rule = (one.policy.name, one.rule.name)
            for peaks, word in ((one.found.peaks, "health"), (one.found.apart, "apart")):
                for peak in peaks:
                    yield (*rule, tuning.workflows[peak.workflow], peak.block), word


def _history(readings: Readings) -> History:
    """In days, or in shorter stretches of a short history."""
    if readings.rows().size == 0:
        raise TuneError("no rule of these policies measures anything in this log")
    span_us = int(readings.last_us.max() - readings.first_us.min())
    rows = readings.rows(min(DAY_US, span_us // STRETCHES))
    first, last = (times // readings.block_us for times in (readings.first_us, readings.last_us))
    return History(rows, readings.block_us, first, last)


def _proposal(policy: Policy, rule: Rule, place: int, history: History, margin: float) -> Proposal:
    if rule.usual:
        return Proposal(policy, rule, rule, None, (0, 0))
    found = look_at(rule, place, history)
    bound = found.bound(rule, margin)
    if bound is None:
        return Proposal(policy, rule, rule, found, (0, 0))
    tried_out = _held_out(rule, place, history, found, margin)
    return Proposal(policy, rule, _bounded(rule, bound), found, tried_out)


def _held_out(
    rule: Rule, place: int, history: History, found: Found, margin: float
) -> tuple[int, int]:
    """How the bound of the first two thirds alone does in the healthy stretches of the last."""
    first, end = int(history.first.min()), int(history.last.max()) + 1
    cut = first + (end - first) * 2 // 3
    bound = look_at(rule, place, history.until(cut)).bound(rule, margin)
    if bound is None:
        return 0, 0
    earlier, rest = _bounded(rule, bound), [peak for peak in found.peaks if peak.block >= cut]
    return sum(earlier.crossed(peak.rate) for peak in rest), len(rest)


def _bounded(rule: Rule, bound: float) -> Rule:
    return rule.model_copy(update={"at_least" if rule.above is None else "above": bound})
