"""The guard's metrics for Prometheus; needs the extra `metrics` (prometheus-client)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from andon import metrics
from andon.guard.guard import Guard

Stats = dict[str, float | dict[str, int]]


def export(*guards: Guard, registry: CollectorRegistry = REGISTRY) -> Collector:
    """Register the metrics of the guards; `registry.unregister` takes what this returns.

    Guards of one workflow are shown as one: numbers are summed, the state is that of the highest
    generation, and `connected` is 1 only while all of them hear commands.
    """
    collector = GuardCollector(guards)
    registry.register(collector)
    return collector


class GuardCollector(Collector):
    """Reads the guards when it is scraped; the families are those of `andon.metrics.GUARD`."""

    def __init__(self, guards: Sequence[Guard]) -> None:
        self._guards = sorted(guards, key=_workflow)

    def collect(self) -> Iterator[Metric]:
        stats = {
            workflow: _merged(list(guards)) for workflow, guards in groupby(self._guards, _workflow)
        }
        for metric in metrics.GUARD:
            family = _family(metric)
            for workflow, values in stats.items():
                value = values[metric.name]
                if isinstance(value, dict):
                    for label, number in value.items():
                        family.add_metric([workflow, label], number)
                else:
                    family.add_metric([workflow], value)
            yield family


def _workflow(guard: Guard) -> str:
    return guard.workflow


def _family(metric: metrics.Metric) -> CounterMetricFamily | GaugeMetricFamily:
    make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    return make(metric.name.removesuffix("_total"), metric.help, labels=metric.labels)


def _merged(guards: list[Guard]) -> Stats:
    newest = max(guards, key=lambda guard: guard.state.generation)
    stats = [guard.stats() for guard in guards]
    merged: Stats = {name: _sum([each[name] for each in stats]) for name in stats[0]}
    merged["andon_guard_state"] = newest.stats()["andon_guard_state"]
    merged["andon_guard_connected"] = min(_number(each["andon_guard_connected"]) for each in stats)
    return merged


def _sum(values: list[float | dict[str, int]]) -> float | dict[str, int]:
    labelled = [value for value in values if isinstance(value, dict)]
    if labelled:
        return {label: sum(each[label] for each in labelled) for label in labelled[0]}
    return sum(map(_number, values))


def _number(value: float | dict[str, int]) -> float:
    assert not isinstance(value, dict)
    return value
