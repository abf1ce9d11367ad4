"""The breaker on the breaker: what the monitor has paused of late, and what it held back.

A function of a partition's log: time is the events' own, and both what was paused and what was
held back are noted again when the log is read anew.
"""

from __future__ import annotations

from typing import Any

from andon.alert_text import finding, sums, title
from andon.auto_pause import AutoPause
from andon.breaker import State
from andon.commands import EVERY_WORKFLOW, EVIDENCE_MAX, Alert, Reason
from andon.ids import derived_id
from andon.quantities import format_duration
from detectors.detections import Detection
from detectors.plan import MICRO
from detectors.times import moment

PAUSE_ALL = 'andon held-back --pause --reason "why they must stop"'
SHOWN = 20


class AutoPauses:
    """The pauses by the monitor, and the detections held back, of one partition's window."""

    def __init__(self, limit: AutoPause) -> None:
        self._limit = limit
        self._over_us = limit.over * MICRO
        self._paused: dict[str, int] = {}  # workflow: when it was paused last
        self._held: dict[str, tuple[int, str]] = {}  # workflow: when, and what it is held for
        self._told = 0  # of how many held back people know

    def note(self, workflow: str, at_us: int) -> None:
        """The monitor has paused a workflow."""
        self._paused[workflow] = at_us
        newest = max(self._paused.values())
        self._paused = _since(self._paused, newest - self._over_us)

    def has_room(self, workflow: str, at_us: int, live: int) -> bool:
        """Whether one more of `live` workflows may be paused at this time."""
        return self._beside(workflow, at_us) < self._limit.most(live)

    def hold(self, detection: Detection, live: int) -> Alert | None:
        """Note a detection that must not pause; what people are told, at the 1st, 10th, 100th
        workflow that is held back in a row."""
        at_us, workflow = detection.ts_us, detection.workflow
        self._held = {
            name: held for name, held in self._held.items() if held[0] > at_us - self._over_us
        }
        if not self._held:
            self._told = 0
        self._held[workflow] = (at_us, _why(detection))
        if len(self._held) < max(1, 10 * self._told):
            return None
        self._told = len(self._held)
        return self._alert(detection, live)

    def dump(self) -> list[Any]:
        """All of it, ready for JSON."""
        return [self._paused, self._held, self._told]

    def load(self, dumped: list[Any]) -> None:
        """Go on from what `dump` gave."""
        self._paused, held, self._told = dumped
        self._held = {name: (at_us, why) for name, (at_us, why) in held.items()}

    def _beside(self, workflow: str, at_us: int) -> int:
        """How many other workflows were paused within the window."""
        paused = _since(self._paused, at_us - self._over_us)
        return len(paused.keys() - {workflow})

    def _alert(self, detection: Detection, live: int) -> Alert:
        alerting = detection.policy.alert
        reason = self._reason(detection, live)
        return Alert(
            alert_id=derived_id("held-back-alert", detection.workflow, detection.event_id),
            kind="held_back",
            workflow=EVERY_WORKFLOW,
            generation=0,
            state=State.CLOSED,
            severity="critical",
            since=moment(min(at_us for at_us, _ in self._held.values())),
            title=title("held_back", EVERY_WORKFLOW, reason),
            reason=reason,
            resume=PAUSE_ALL,
            runbook=alerting.runbook,
            receivers=list(alerting.receivers),
        )

    def _reason(self, detection: Detection, live: int) -> Reason:
        paused = self._beside(detection.workflow, detection.ts_us)
        named = [f"{name} ({why})" for name, (_, why) in self._held.items()]
        more = len(named) - SHOWN
        rest = f"; and {more:,} more" if more > 0 else ""
        goes_on = "1 workflow goes on" if len(named) == 1 else f"{len(named):,} workflows go on"
        window = format_duration(self._limit.over)
        text = (
            f"{goes_on} beyond a bound: {'; '.join(named[:SHOWN])}{rest}. "
            f"{paused:,} of {live:,} were paused within {window}; the most is {self._limit}"
        )
        return Reason(text=text, event_ids=list(detection.event_ids)[:EVIDENCE_MAX])


def _since(times: dict[str, int], since_us: int) -> dict[str, int]:
    return {name: at_us for name, at_us in times.items() if at_us > since_us}


def _why(detection: Detection) -> str:
    """`too-many-errors: error rate 50% in 1m, bound 20%, $300 USD moved`."""
    moved = f", {money} moved" if (money := sums(detection.money)) else ""
    return f"{detection.rule.name}: {finding(detection.reason())}{moved}"
