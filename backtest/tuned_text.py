"""A tuning as people and scripts read it: a policy file with its reasons, and one object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from andon.alert_text import RATE_NAMES
from andon.events import format_ts
from andon.policy import Policy, Rule
from andon.policy_text import policy_text
from backtest.bounds import Found, Peak
from backtest.tables import amount, bound_text, counted, minute, spell
from backtest.tune import DAY_US, Proposal, Tuning
from detectors.plan import MICRO
from detectors.times import moment

Json = dict[str, Any]
SHOWN = 5
TRIPS_SHOWN = 10
_HISTORY = {"health": "in health", "unknown": "too little history", "apart": "stood out"}


def text(tuning: Tuning, report: Json) -> str:
    """The policy file; `report` is that of the history under it."""
    proposals = {(one.policy.name, one.rule.name): one for one in tuning.proposals}

    def notes(policy: Policy, rule: Rule) -> list[str]:
        return list(_notes(tuning, proposals[policy.name, rule.name]))

    return policy_text(tuning.book, [*_sources(tuning, report), *_trips(tuning, report)], notes)


def as_json(tuning: Tuning, report: Json) -> Json:
    """Rates and bounds in the rules' units, times in seconds; `policy` is the file."""
    pauses = report["pauses"]
    return {
        "from": report["from"],
        "to": report["to"],
        "margin": tuning.margin,
        "stretch_s": tuning.block_us / MICRO,
        "rules": [_rule(tuning, one) for one in tuning.proposals],
        "trips": _trips_by_history(pauses),
        "pauses": pauses,
        "policy": text(tuning, report),
    }


def _rule(tuning: Tuning, one: Proposal) -> Json:
    found = one.found or Found([], [], 0, {})
    crossed, stretches = one.held_out
    return {
        "policy": one.policy.name,
        "rule": one.rule.name,
        "before": one.before.bound,
        "bound": one.rule.bound,
        "events": found.events,
        "quantiles": found.quantiles,
        "healthy_stretches": len(found.peaks),
        "apart": [
            {
                "workflow": tuning.workflows[peak.workflow],
                "from": _begins(tuning, peak),
                "peak": peak.rate,
            }
            for peak in found.apart
        ],
        "held_out": {"stretches": stretches, "crossed": crossed},
    }


def _sources(tuning: Tuning, report: Json) -> Iterator[str]:
    events = report["events"]["counted"] + report["events"]["blocked"]
    yield (
        f"Proposed by `andon tune` from {counted(events, 'event')} of "
        f"{counted(len(tuning.workflows), 'workflow')}, {minute(report['from'])} to "
        f"{minute(report['to'])} UTC."
    )
    stretch = "a day" if tuning.block_us == DAY_US else spell(tuning.block_us / MICRO)
    yield ""
    yield (
        "Usual is the highest rate that came back in each third of a workflow's history. Where a "
        "rate went beyond twice that, and beyond chance, the stretch of "
        f"{stretch} stands out and is left out, as an incident. A bound is "
        f"{tuning.margin:g} times the highest rate of the rest, or what chance makes of it where "
        "that is more. Quantiles are of the rate at every event that the rule counts, in health."
    )


def _trips(tuning: Tuning, report: Json) -> Iterator[str]:
    pauses = sorted(report["pauses"], key=lambda pause: list(_HISTORY).index(pause["history"]))
    trips = _trips_by_history(pauses)
    yield ""
    yield (
        f"On this history it trips {counted(len(pauses), 'time')}, if a person ends each pause "
        f"after a day: {trips['health']:,} in health, {trips['apart']:,} where something stood "
        f"out, {trips['unknown']:,} where there is too little history to say."
    )
    rules = {(one.policy.name, one.rule.name): one.rule for one in tuning.proposals}
    for pause in pauses[:TRIPS_SHOWN]:
        rule = rules[pause["policy"], pause["rule"]]
        observed, history = amount(rule, pause["observed"]), _HISTORY[pause["history"]]
        at = minute(pause["tripped"])
        yield f"- {at} {pause['workflow']}, {rule.name}: {observed} ({history})"
    if len(pauses) > TRIPS_SHOWN:
        yield f"- and {len(pauses) - TRIPS_SHOWN:,} more, which `andon report` lists"
    crossed, stretches = (sum(one.held_out[place] for one in tuning.proposals) for place in (0, 1))
    if stretches:
        yield (
            f"Bounds from the first two thirds alone are crossed in {crossed:,} of the "
            f"{stretches:,} healthy stretches of the last third, each rule and workflow by itself."
        )


def _trips_by_history(pauses: list[Json]) -> dict[str, int]:
    found = Counter(pause["history"] for pause in pauses)
    return {history: found[history] for history in _HISTORY}


def _notes(tuning: Tuning, one: Proposal) -> Iterator[str]:
    rule, found = one.rule, one.found
    if found is None:
        yield "What is usual for each workflow is learned, not tuned."
        return
    name = "people reached" if rule.of == "recipients" else RATE_NAMES[rule.rate]
    if not found.peaks:
        yield f"Not tuned: too little history, or too few events to measure the {name}."
        return
    seen = ", ".join(f"{part} {amount(rule, rate)}" for part, rate in found.quantiles.items())
    yield f"{name}: {seen}, at {counted(found.events, 'event')}."
    if found.bound(one.before, tuning.margin) is None:
        yield "Not tuned: health reaches what no bound is above."
    elif rule.bound != one.before.bound:
        yield f"Was {bound_text(one.before)}."
    beyond = [peak for peak in found.apart if rule.crossed(peak.rate)]
    if beyond:
        yield f"Stood out: {', '.join(_highest(tuning, rule, beyond))}."


def _highest(tuning: Tuning, rule: Rule, peaks: list[Peak]) -> Iterator[str]:
    for peak in sorted(peaks, key=lambda peak: -peak.rate)[:SHOWN]:
        workflow, begins = tuning.workflows[peak.workflow], minute(_begins(tuning, peak))
        yield f"{amount(rule, peak.rate)} in {workflow} ({begins})"
    if len(peaks) > SHOWN:
        yield f"and {len(peaks) - SHOWN:,} more"


def _begins(tuning: Tuning, peak: Peak) -> str:
    return format_ts(moment(peak.block * tuning.block_us))
