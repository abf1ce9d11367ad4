"""Targets that are down: many workflows fail on one and the same, which is told once.

Where an error or denial rate of a workflow crosses its bound, its line writes a note of it to the
second stage, under the scope of the target that it failed on. A line of scopes adds them up. Pure,
and a function of the log of its partition; a note that comes twice counts once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from andon.alert_text import title, trip_command
from andon.breaker import State
from andon.commands import EVIDENCE_MAX, Alert, Audit, Reason
from andon.ids import derived_id
from andon.policy import PolicyBook
from detectors.columns import Columns
from detectors.effects import Effects
from detectors.forgetting import Bounds
from detectors.plan import MICRO
from detectors.profiles import UNWATCHED
from detectors.scoped import FAILING, POLICY_LABEL, WORKFLOW_LABEL, labels_of
from detectors.times import moment
from detectors.wire import WireEvent

SHOWN = 5


class Failing(NamedTuple):
    """When a workflow last failed on a target, by which policy and event."""

    at_us: int
    policy: str
    event_id: str


class Outages:
    """Of each target the workflows that fail on it, as far as the newest note looks back."""

    def __init__(self, book: PolicyBook, bounds: Bounds) -> None:
        self._receivers = {policy.name: policy.alert.receivers for policy in book.policies}
        self._least = bounds.down_workflows
        self._over_us = bounds.down_over_s * MICRO
        self._failing: dict[str, dict[str, Failing]] = {}
        self._down: set[str] = set()

    def notes(self, columns: Columns) -> list[int]:
        """Which records of a batch are notes."""
        unwatched = map(int, np.flatnonzero(columns.kind == UNWATCHED))
        return [at for at in unwatched if columns.events[at].andon_policy == FAILING]

    def take(self, columns: Columns, at: int, effects: Effects | None) -> None:
        """Add up a note; on a replay there are no effects."""
        self._note(columns, at, columns.events[at], effects)

    def dump(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {"failing": self._failing, "down": sorted(self._down)}

    def load(self, dumped: dict[str, Any]) -> None:
        """Stand as told by `dump`."""
        self._failing = {
            scope: {workflow: Failing(*told) for workflow, told in failing.items()}
            for scope, failing in dumped["failing"].items()
        }
        self._down = set(dumped["down"])

    def _note(self, columns: Columns, at: int, event: WireEvent, effects: Effects | None) -> None:
        labels = labels_of(columns.records.values[int(columns.record[at])])
        own, at_us = str(labels[WORKFLOW_LABEL]), int(columns.batch["time"][at])
        failing = self._failing.setdefault(event.workflow, {})
        if own not in failing or failing[own].at_us < at_us:
            failing[own] = Failing(at_us, str(labels.get(POLICY_LABEL)), event.event_id)
        newest = max(each.at_us for each in failing.values())
        for name in [n for n, each in failing.items() if each.at_us <= newest - self._over_us]:
            del failing[name]
        if len(failing) < self._least:
            self._down.discard(event.workflow)
        elif event.workflow not in self._down:
            self._down.add(event.workflow)
            if effects is not None:
                self._tell(columns, at, event, failing, effects)

    def _tell(
        self,
        columns: Columns,
        at: int,
        event: WireEvent,
        failing: dict[str, Failing],
        effects: Effects,
    ) -> None:
        scope, since = event.workflow, moment(int(columns.batch["time"][at]))
        names, more = sorted(failing), len(failing) - SHOWN
        shown = ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")
        reason = Reason(
            text=f"{len(failing):,} workflows fail on it: {shown}",
            window_s=self._over_us / MICRO,
            event_ids=[failing[name].event_id for name in names][:EVIDENCE_MAX],
        )
        same: dict[str, Any] = {
            "workflow": scope,
            "state": State.CLOSED,
            "generation": 0,
            "reason": reason,
        }
        audit_id, alert_id = (
            derived_id(kind, scope, event.event_id) for kind in ("target-down", "target-down-alert")
        )
        effects.audits.append(
            Audit(
                audit_id=audit_id,
                ts=since,
                kind="target-down",
                events=len(failing),
                source=columns.source(at),
                **same,
            )
        )
        receivers = {
            name for each in failing.values() for name in self._receivers.get(each.policy, ())
        }
        effects.alerts.append(
            Alert(
                alert_id=alert_id,
                kind="target_down",
                severity="critical",
                since=since,
                title=title("target_down", scope, reason),
                resume=trip_command(scope),
                receivers=sorted(receivers),
                **same,
            )
        )
