"""What people ask of workflows: what is paused, how near the others are, and what it cost."""

from __future__ import annotations

from typing import Any

from andon.breaker import State
from dashboards.panels import Query, lines, number, rows, states
from dashboards.queries import (
    RANGE,
    STATE_NUMBERS,
    against_bound,
    increase,
    latest,
    rate,
    select,
)

_STATE = latest("andon_breaker_state", "workflow")
_OF_RULE = "{{workflow}}: {{rule}}"
_OTHERS = "denied|duplicate|steps"


def standing() -> list[Any]:
    """Where every workflow stands, and the sums of the time range."""
    return [
        number(
            "Paused now",
            "Workflows whose guards refuse every action, by a rule or by a person.",
            Query(_how_many(State.OPEN, State.FORCED_OPEN)),
            span=4,
            bad_from=1,
        ),
        number(
            "On trial now",
            "Workflows that may run a few actions to show that they are well again.",
            Query(_how_many(State.HALF_OPEN)),
            span=4,
        ),
        number(
            "Pauses",
            "Trips by the monitor in the time range.",
            Query(increase("andon_trips_total", "", RANGE)),
            span=4,
        ),
        number(
            "Money out",
            "Moved by successful actions in the time range, by currency.",
            Query(increase("andon_money_total", "currency", RANGE), "{{currency}}"),
            span=6,
        ),
        number(
            "Leaked after pauses",
            "Actions that took effect although their workflow was paused, in the time range.",
            Query(increase("andon_leaked_actions_total", "", RANGE)),
            span=6,
            bad_from=1,
        ),
        states(
            "Breakers",
            "The state of each workflow's breaker, as the monitor last set it.",
            Query(_STATE, "{{workflow}}"),
        ),
    ]


def rates() -> list[Any]:
    """Every rule as a share of its bound, a panel a rate, and all of them in numbers."""
    return [
        _against("Error rate", "Errors of all attempts that were not denied.", "error", 12),
        _against("Reversal rate", "Actions undone, of all that were done.", "reversal", 12),
        _against("Volume", "Actions, or people reached, within the window.", "volume", 8),
        _against("Value", "Money moved within the window.", "value", 8),
        _against("Other rates", "Denials, duplicates and the steps of a run.", _OTHERS, 8),
        rows(
            "Rules now",
            "What each rule last saw, and its bound, in the rule's own unit.",
            {
                "Observed": Query(select("andon_rule_observed")),
                "Bound": Query(select("andon_rule_bound")),
            },
            hidden=("Time", "__name__", "job", "instance"),
        ),
    ]


def trips_and_money() -> list[Any]:
    """When bounds were crossed, and what was done before and after a pause."""
    of_currency = "{{workflow}} {{currency}}"
    detections = increase("andon_detections_total", "workflow, rule, mode")
    money = f"3600 * {rate('andon_money_total', 'workflow, currency')}"
    return [
        lines(
            "Trips",
            "Pauses by the monitor, by workflow and rule.",
            "short",
            Query(increase("andon_trips_total", "workflow, rule"), _OF_RULE),
            Query(increase("andon_held_back_total", "workflow, rule"), f"{_OF_RULE} (held back)"),
            bars=True,
        ),
        lines(
            "Detections",
            "Bounds crossed, also by policies in shadow, which pause nothing.",
            "short",
            Query(detections, f"{_OF_RULE} ({{{{mode}}}})"),
            bars=True,
        ),
        lines(
            "Actions by outcome",
            "Live actions of automations, a second.",
            "ops",
            Query(rate("andon_actions_total", "outcome"), "{{outcome}}"),
        ),
        lines(
            "Money out per hour",
            "At the pace of the last minutes, in units of the currency.",
            "short",
            Query(money, of_currency),
        ),
        lines(
            "Money not counted",
            "Actions in a currency that `convert` of their policy does not list.",
            "short",
            Query(increase("andon_unconverted_actions_total", "workflow, currency"), of_currency),
            bars=True,
        ),
        lines(
            "Leaked actions",
            "Actions that took effect although their workflow was paused.",
            "short",
            Query(increase("andon_leaked_actions_total", "workflow"), "{{workflow}}"),
            bars=True,
        ),
        lines(
            "Leaked money",
            "Moved although the workflow was paused, in units of the currency.",
            "short",
            Query(increase("andon_leaked_money_total", "workflow, currency"), of_currency),
            bars=True,
        ),
    ]


def _how_many(*states: State) -> str:
    standing = " or ".join(f"{_STATE} == {STATE_NUMBERS[state]}" for state in states)
    return f"count({standing}) or vector(0)"


def _against(title: str, meaning: str, rates: str, span: int) -> Any:
    return lines(
        f"{title} against the bound",
        f"{meaning} 100% is the rule's bound: beyond it the workflow is paused.",
        "percentunit",
        Query(against_bound(rates), _OF_RULE),
        span=span,
        limit=1,
    )
