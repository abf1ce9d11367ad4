"""The guard's metrics as Prometheus reads them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from andon import BreakerOpen, Guard, State, metrics
from andon.guard.exporter import export
from tests.andon.guarding import Bench, bench


def act(guard: Guard) -> None:
    with guard.attempt("send", "mail.send"):
        pass


def test_exports_every_family_of_the_table_and_no_other() -> None:
    registry = CollectorRegistry()
    with bench() as desk:
        collector = export(desk.guard, registry=registry)
        families = {
            family.name: family
            for family in text_string_to_metric_families(generate_latest(registry).decode())
        }
        registry.unregister(collector)
        assert generate_latest(registry) == b""
    expected = {metric.name.removesuffix("_total"): metric for metric in metrics.GUARD}
    assert families.keys() == expected.keys()
    for name, metric in expected.items():
        assert families[name].type == metric.kind
        assert families[name].documentation == metric.help
        assert {frozenset(s.labels) for s in families[name].samples} == {frozenset(metric.labels)}


def test_tells_what_the_guard_counted() -> None:
    registry = CollectorRegistry()

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {"workflow": "refunds"} | labels)

    with bench() as desk:
        export(desk.guard, registry=registry)
        assert desk.guard.ready(5)
        act(desk.guard)
        desk.obey(State.OPEN)
        for _ in range(2):
            try:
                act(desk.guard)
            except BreakerOpen:
                continue
        desk.events()
        assert value("andon_guard_actions_total", outcome="success") == 1
        assert value("andon_guard_actions_total", outcome="denied") == 2
        assert value("andon_guard_actions_total", outcome="error") == 0
        assert value("andon_guard_events_total", fate="sent") == 3
        assert value("andon_guard_queued_events") == 0
        assert value("andon_guard_state") == 1
        assert value("andon_guard_connected") == 1
    assert value("andon_guard_connected") == 0


def test_guards_of_one_workflow_are_shown_as_one() -> None:
    registry = CollectorRegistry()
    with bench() as behind, bench() as ahead:
        export(behind.guard, ahead.guard, registry=registry)
        for desk in (behind, ahead):
            act(desk.guard)
        behind.obey(State.OPEN, 1)
        ahead.obey(State.METRICS_ONLY, 2)
        labels = {"workflow": "refunds"}
        success = labels | {"outcome": "success"}
        assert registry.get_sample_value("andon_guard_actions_total", success) == 2
        assert registry.get_sample_value("andon_guard_state", labels) == 4
        assert both_hear(behind, ahead)
        assert registry.get_sample_value("andon_guard_connected", labels) == 1
        behind.guard.close()
        assert registry.get_sample_value("andon_guard_connected", labels) == 0


def both_hear(*desks: Bench) -> bool:
    return all(desk.guard.ready(5) for desk in desks)
