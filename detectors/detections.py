"""A bound was crossed: what the windows saw, in the words of the contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from andon.alert_text import finding
from andon.commands import EVIDENCE_MAX, Reason, Usual
from andon.policy import Policy, Rule
from detectors.columns import Columns
from detectors.found import Edge
from detectors.plan import Compiled
from detectors.usual import told


class Detection(NamedTuple):
    """A rising edge of one rule; `report` gives the fields of the backtest's output."""

    at: int  # the index of the event in its batch
    ts_us: int
    ts: str
    event_id: str
    workflow: str
    policy: Policy
    rule: Rule
    group: dict[str, Any] | None
    observed: float
    bound: float
    usual: Usual | None
    events: int
    window_s: int  # `over`; for evidence, since the rate most likely rose
    event_ids: tuple[str, ...]
    money: dict[str, float]  # moved within the window, by currency

    def report(self) -> dict[str, Any]:
        """One line of the backtest's output."""
        usual = {"usual": self.usual.model_dump()} if self.usual else {}
        return {
            "ts": self.ts,
            "event_id": self.event_id,
            "workflow": self.workflow,
            "policy": self.policy.name,
            "rule": self.rule.name,
            "rate": self.rule.rate.value,
            "group": self.group,
            "observed": self.observed,
            "bound": self.bound,
            "events": self.events,
            "window_s": self.window_s,
            "mode": self.policy.mode,
            **usual,
        }

    def reason(self) -> Reason:
        """Why a breaker moves on it."""
        reason = Reason(
            text="",
            rule=self.rule.name,
            rate=self.rule.rate.value,
            observed=self.observed,
            bound=self.bound,
            window_s=self.window_s,
            events=self.events,
            event_ids=list(self.event_ids),
            group=self.group,
            policy=self.policy.name,
            policy_version=self.policy.version,
            value=self.money,
            usual=self.usual,
        )
        return reason.model_copy(update={"text": finding(reason)})


def detection_of(
    compiled: Compiled,
    edge: Edge,
    columns: Columns,
    group: dict[str, Any] | None,
    event_ids: Sequence[str],
) -> Detection:
    """A rising edge with everything that people ask about it."""
    event, rule = columns.events[edge.event], compiled.rules[edge.rule]
    policy = int(columns.policy[edge.event])
    ts_us = int(columns.batch["time"][edge.event])
    currency = columns.currencies[edge.currency]
    return Detection(
        at=edge.event,
        ts_us=ts_us,
        ts=event.ts,
        event_id=event.event_id,
        workflow=event.workflow,
        policy=compiled.policies[policy].policy,
        rule=rule,
        group=group,
        observed=edge.observed,
        bound=edge.bound,
        usual=told(rule, *edge.usual, ts_us) if rule.usual else None,
        events=edge.events,
        window_s=_told(edge.window_s) if rule.method == "evidence" else rule.over,
        # The event that tipped the scale comes first.
        event_ids=tuple(dict.fromkeys((event.event_id, *event_ids)))[:EVIDENCE_MAX],
        money={currency: edge.money} if currency else {},
    )


def _told(window_s: int) -> int:
    """Rounded up to minutes, or hours, where people would not count seconds, or minutes."""
    unit = next((unit for unit in (3600, 60) if window_s >= 2 * unit), 1)
    return -(-window_s // unit) * unit
