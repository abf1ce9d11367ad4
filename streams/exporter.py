"""The monitor's Prometheus metrics, built from the table in `andon.metrics`."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import product
from time import monotonic, time
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

from andon.breaker import Breaker, State
from andon.commands import Ack
from andon.events import Event
from andon.metrics import MONITOR
from detectors.flags import AUTOMATION, DENIED, ERROR, SUCCESS
from detectors.kernel.loop import COUNTED, DUPLICATE, LATE
from detectors.line import Line, Taken
from detectors.plan import MICRO
from detectors.profiles import NOT_LIVE, UNWATCHED
from detectors.usual import bounds_now
from streams.closed_loop import Guards
from streams.families import made

WORKFLOWS_MAX = 200
"""Workflows with labels of their own, first come first served; the others are `other`."""

OTHER = "other"
FATES = ("counted", "not_live", "unwatched", "late", "duplicate", "rejected")
GAUGES_EVERY_S = 0.5

_STATES = {state: number for number, state in enumerate(State)}
_OUTCOMES = {"success": SUCCESS, "error": ERROR, "denied": DENIED}


class Exporter:
    """Counts what the monitor does; `registry` is what a scrape reads.

    `hidden` are workflows that are no work of anybody's: they are in no number.
    """

    def __init__(self, hidden: Collection[str] = frozenset()) -> None:
        self._hidden = hidden
        self.registry = CollectorRegistry()
        self._metrics = {metric.name: made(metric, self.registry) for metric in MONITOR}
        self._labels: dict[str, int] = {OTHER: 0}
        self._acked: dict[tuple[str, str], int] = {}
        self._gauges_at = 0.0
        self._children: dict[tuple[Any, ...], Any] = {}
        self._shown: set[tuple[str, tuple[str, ...]]] = set()
        # What increase() is asked of starts at 0: a series that begins at 1 has not risen.
        for fate in FATES:
            self.add("andon_events_total", 0, fate=fate)
        for field in (*Event.model_fields, "record", "data"):
            self.add("andon_dead_letters_total", 0, field=field)

    def took(self, taken: Taken, line: Line) -> None:
        """Count a judged batch; events are counted where they are read first."""
        effects = taken.effects
        if not line.scoped:
            shown = self._shown_of(taken, line)
            self._count_fates(taken, shown)
            self._count_actions(taken, line, shown)
        for rejected in effects.rejected:
            self.add("andon_dead_letters_total", field=rejected.error.field.split(".")[0])
        for detection in effects.detections:
            rule = {"policy": detection.policy.name, "rule": detection.rule.name}
            workflow = self._label(detection.workflow)
            mode = detection.policy.mode
            self.add("andon_detections_total", workflow=workflow, mode=mode, **rule)
        for held in effects.held_back:
            rule = {"policy": held.policy.name, "rule": held.rule.name}
            self.add("andon_held_back_total", workflow=self._label(held.workflow), **rule)
        for command in effects.commands:
            if command.workflow in self._hidden:
                continue
            self.add("andon_commands_total", state=command.state)
            if command.state is State.OPEN:
                rule = {"policy": str(command.reason.policy), "rule": str(command.reason.rule)}
                self.add("andon_trips_total", workflow=self._label(command.workflow), **rule)
        for (name, currency), count in effects.unconverted.items():
            labels = {"workflow": self._label(name), "currency": currency}
            self.add("andon_unconverted_actions_total", count, **labels)
        for leak in effects.leaks:
            workflow = self._label(leak.workflow)
            self.add("andon_leaked_actions_total", workflow=workflow)
            if leak.value is not None and leak.currency is not None:
                money = {"workflow": workflow, "currency": leak.currency.upper()}
                self.add("andon_leaked_money_total", leak.value, **money)

    def finished(
        self, partition: int, records: int, seconds: float, *, scoped: bool = False
    ) -> None:
        """A batch has been judged and all that follows is written."""
        counter = "andon_scope_records_total" if scoped else "andon_records_total"
        self.add(counter, records, partition=str(partition))
        self._metrics["andon_batch_seconds"].observe(seconds)
        self._metrics["andon_last_batch_timestamp_seconds"].set(time())

    def snapshot_written(self) -> None:
        """A snapshot of a line was written."""
        self.set("andon_snapshot_timestamp_seconds", time())

    def paused(self, seconds: float) -> None:
        """A pause is obeyed by all guards."""
        self._metrics["andon_time_to_pause_seconds"].observe(seconds)

    def show(
        self,
        lines: list[Line],
        lag: Mapping[int, int],
        guards: Mapping[str, Guards] = MappingProxyType({}),
        scope_lag: Mapping[int, int] = MappingProxyType({}),
    ) -> None:
        """Set the gauges: where workflows and rules stand, what is held, what waits.

        Args:
            lines: all lines of this worker.
            lag: records not yet read, by partition.
            guards: how many each workflow has.
            scope_lag: as `lag`, of the second stage.
        """
        self.set("andon_heartbeat_timestamp_seconds", time())
        if monotonic() - self._gauges_at < GAUGES_EVERY_S:
            return
        self._gauges_at = monotonic()
        before, self._shown = self._shown, set()
        for gauge, behind in (("andon_lag_records", lag), ("andon_scope_lag_records", scope_lag)):
            for partition, records in behind.items():
                self.set(gauge, records, partition=str(partition))
        self.set("andon_window_events", sum(line.windows.events_held for line in lines))
        self.set("andon_workflows", sum(line.windows.workflows_held for line in lines))
        self.set("andon_groups", sum(line.windows.groups_held for line in lines))
        for fate in ("held", "evicted"):
            histories = sum(getattr(line.windows, f"histories_{fate}") for line in lines)
            self.set(f"andon_histories_{fate}", histories)
        for why in ("forgotten", "evicted", "coarse"):
            workflows = sum(getattr(line.windows, why) for line in lines)
            self.set(f"andon_workflows_{why}", workflows)
        for line in lines:
            self.set("andon_policy_info", 1, version=line.compiled.book.fingerprint)
            self._show_rules(line)
        self._show_breakers(lines)
        self._show_guards(guards)
        for name, values in before - self._shown:  # of partitions that another worker has now
            self._metrics[name].remove(*values)
            self._children.clear()

    def acked(self, acks: Iterable[Ack], *, count: bool = True) -> None:
        """Count acknowledgements that are new, or only take note of those that are not."""
        for ack in acks:
            if ack.generation > self._acked.get((ack.workflow, ack.guard), 0):
                self._acked[ack.workflow, ack.guard] = ack.generation
                self.add("andon_acks_total", int(count), workflow=self._label(ack.workflow))

    def delivered(self, receiver: str, result: str) -> None:
        """Count one attempt to tell people."""
        self.add("andon_alerts_total", receiver=receiver, result=result)

    def add(self, name: str, amount: float = 1, /, **labels: str) -> None:
        """Increase a counter of the table."""
        if labels.get("workflow") in self._hidden:
            return
        self._child(name, labels).inc(amount)

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge of the table."""
        if labels.get("workflow") in self._hidden:
            return
        self._child(name, labels).set(value)
        if labels:
            names = self._metrics[name]._labelnames
            self._shown.add((name, tuple(labels[label] for label in names)))

    def _child(self, name: str, labels: Mapping[str, str]) -> Any:
        key = (name, *labels.items())
        if key not in self._children:  # prometheus_client takes 3 us to find it
            metric = self._metrics[name]
            self._children[key] = metric.labels(**labels) if labels else metric
        return self._children[key]

    def _label(self, workflow: str) -> str:
        if workflow in self._hidden:
            return workflow
        if workflow not in self._labels and len(self._labels) <= WORKFLOWS_MAX:
            self._labels[workflow] = len(self._labels)
        return workflow if workflow in self._labels else OTHER

    def _labelled(self, line: Line) -> Iterator[tuple[str, int, int]]:
        """The streams with a label of their own: workflow, policy and number of each."""
        streams = line.windows.numbers.streams
        for workflow, _ in streams:
            if len(self._labels) > WORKFLOWS_MAX:
                break
            self._label(workflow)
        for workflow, place in product(self._labels, range(len(line.compiled.book.policies))):
            if (number := streams.get((workflow, place))) is not None:
                yield workflow, place, number

    def _shown_of(self, taken: Taken, line: Line) -> NDArray[np.bool_]:
        """Which events of a batch are not those of hidden workflows."""
        streams, policies = line.windows.numbers.streams, range(len(line.compiled.book.policies))
        hidden = [streams[at] for at in product(self._hidden, policies) if at in streams]
        return ~np.isin(taken.columns.batch["stream"], hidden)

    def _count_fates(self, taken: Taken, shown: NDArray[np.bool_]) -> None:
        kinds, fates = taken.columns.kind[shown], taken.fates[shown]
        rejected = len(taken.effects.rejected)
        unwatched, not_live = int(np.sum(kinds == UNWATCHED)), int(np.sum(kinds == NOT_LIVE))
        late, duplicate = int(np.sum(fates == LATE)), int(np.sum(fates == DUPLICATE))
        counted = len(fates) - unwatched - not_live - late - duplicate
        for fate, count in {
            "counted": counted,
            "not_live": not_live,
            "unwatched": unwatched,
            "late": late,
            "duplicate": duplicate,
            "rejected": rejected,
        }.items():
            self.add("andon_events_total", count, fate=fate)

    def _count_actions(self, taken: Taken, line: Line, shown: NDArray[np.bool_]) -> None:
        labels = np.zeros(line.windows.numbers.streams_given, np.int64)  # 0 is `other`
        for workflow, _, number in self._labelled(line):
            labels[number] = self._labels[workflow]
        batch = taken.columns.batch
        ours = (batch["stream"] >= 0) & (taken.fates == COUNTED) & shown
        ours &= (batch["flags"] & AUTOMATION) > 0
        names = list(self._labels)
        for outcome, bit in _OUTCOMES.items():
            mine = ours & ((batch["flags"] & bit) > 0)
            for label, count in enumerate(np.bincount(labels[batch["stream"][mine]])):
                if count:
                    self.add("andon_actions_total", count, workflow=names[label], outcome=outcome)
        paid = ours & ((batch["flags"] & SUCCESS) > 0) & (batch["currency"] > 0)
        for currency in np.unique(batch["currency"][paid]):
            mine = paid & (batch["currency"] == currency)
            sums = np.bincount(labels[batch["stream"][mine]], weights=batch["value"][mine] / MICRO)
            code = taken.columns.currencies[currency]
            for label, money in enumerate(sums):
                if money:
                    self.add("andon_money_total", money, workflow=names[label], currency=code)

    def _show_rules(self, line: Line) -> None:
        labelled = list(self._labelled(line))
        numbers = [number for _, _, number in labelled]
        current = line.windows.current(numbers)
        bounds = bounds_now(line.windows.plan, line.windows.state, numbers)
        for (workflow, place, _), rates, limits in zip(labelled, current, bounds, strict=True):
            policy = line.compiled.book.policies[place]
            for rule, observed, bound in zip(policy.rules, rates, limits, strict=True):
                labels = {"workflow": workflow, "policy": policy.name, "rule": rule.name}
                self.set("andon_rule_observed", observed, rate=rule.rate.value, **labels)
                self.set("andon_rule_bound", bound, rate=rule.rate.value, **labels)
                self.add("andon_trips_total", 0, **labels)
                self.add("andon_held_back_total", 0, **labels)
                self.add("andon_detections_total", 0, mode=policy.mode, **labels)

    def _show_breakers(self, lines: list[Line]) -> None:
        newest: dict[str, Breaker] = {}  # what a person has done to a scope all lines have heard
        for line in lines:
            labelled = [workflow for workflow, _, _ in self._labelled(line)]
            for workflow in map(self._label, (*labelled, *line.standings.scopes)):
                breaker = line.standings.of(workflow)
                newest[workflow] = max(newest.get(workflow, breaker), breaker, key=_generation)
        for workflow, breaker in newest.items():
            if workflow == OTHER:
                continue
            self.set("andon_breaker_state", _STATES[breaker.state], workflow=workflow)
            for counter in ("andon_leaked_actions_total", "andon_acks_total"):
                self.add(counter, 0, workflow=workflow)

    def _show_guards(self, guards: Mapping[str, Guards]) -> None:
        live, missing = Counts[str](), Counts[str]()
        for workflow, count in guards.items():
            live[self._label(workflow)] += count.live
            missing[self._label(workflow)] += count.missing
        for label, number in live.items():
            self.set("andon_guards_live", number, workflow=label)
            self.set("andon_acks_missing", missing[label], workflow=label)


def _generation(breaker: Breaker) -> int:
    return breaker.generation
