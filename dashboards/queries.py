"""PromQL over the metrics of `andon.metrics`; a metric or label that is not there is a KeyError."""

from __future__ import annotations

from andon.breaker import State
from andon.metrics import GUARD, MONITOR

RATE = "$__rate_interval"
RANGE = "$__range"

STATE_NUMBERS = {state: number for number, state in enumerate(State)}
"""The values of the gauges that hold a state."""

_METRICS = {metric.name: metric for metric in (*MONITOR, *GUARD)}


def select(name: str, **labels: str) -> str:
    """The series of one metric that the dashboard's variables let through."""
    metric = _METRICS[name]
    if unknown := set(labels) - set(metric.labels):
        raise KeyError(f"{name} has no label {', '.join(sorted(unknown))}")
    suffix = "_bucket" if metric.kind == "histogram" else ""
    matchers = ['job=~"$job"', 'instance=~"$instance"']
    if "workflow" in metric.labels:
        matchers.append('workflow=~"$workflow"')
    matchers += [f'{label}=~"{value}"' for label, value in labels.items()]
    return f"{name}{suffix}{{{', '.join(matchers)}}}"


def rate(name: str, by: str, **labels: str) -> str:
    """Per second, by labels."""
    return f"sum by ({by}) (rate({select(name, **labels)}[{RATE}]))"


def increase(name: str, by: str, window: str = RATE, **labels: str) -> str:
    """How much a counter grew in a window, by labels; `by` may be empty."""
    over = f"increase({select(name, **labels)}[{window}])"
    return f"sum by ({by}) ({over})" if by else f"sum({over})"


def latest(name: str, by: str, **labels: str) -> str:
    """A gauge, by labels. A workflow belongs to one monitor at a time."""
    return f"max by ({by}) ({select(name, **labels)})"


def quantile(q: float, name: str) -> str:
    """A quantile of a histogram over all instances."""
    return f"histogram_quantile({q}, sum by (le) (rate({select(name)}[{RATE}])))"


def against_bound(rates: str) -> str:
    """What each rule saw as a share of its bound; it is crossed at 1. `rates` is a regex."""
    observed = select("andon_rule_observed", rate=rates)
    bound = select("andon_rule_bound", rate=rates)
    return f"max by (workflow, policy, rule) ({observed} / {bound})"


def entered(*states: State) -> str:
    """Workflows whose breaker has just moved into one of the states."""
    series = select("andon_breaker_state")
    now = " or ".join(f"max by (workflow) ({series}) == {STATE_NUMBERS[state]}" for state in states)
    return f"(max by (workflow) (changes({series}[{RATE}])) > 0) and ({now})"
