"""Whether the canary lives: people are told once when it does not, and once when it is back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from andon.alert_text import title
from andon.breaker import State
from andon.commands import Alert, AlertKind, Reason
from andon.ids import derived_id


class Deadman:
    """The canaries of one partition of `andon.alerts`, without a clock and I/O.

    It may be told of the same record twice; what it has told stands in the topic, so that another
    dispatcher does not tell it again.
    """

    def __init__(self) -> None:
        self._last: dict[str, Alert] = {}  # what each canary said last
        self._told: set[str] = set()  # the canaries of which people know that they fail

    def take(self, alert: Alert) -> None:
        """Learn what stands in the topic."""
        if alert.kind in ("canary_passed", "canary_failed"):
            self._last[alert.workflow] = alert
        elif alert.kind == "canary_silent":
            self._told.add(alert.workflow)
        elif alert.kind == "canary_back":
            self._told.discard(alert.workflow)

    def look(self, now: datetime) -> Iterator[Alert]:
        """What people have to be told, each thing once."""
        for workflow, last in self._last.items():
            wrong = _wrong(last, now)
            if wrong and workflow not in self._told:
                self._told.add(workflow)
                yield _alert("canary_silent", last, now, wrong)
            elif not wrong and workflow in self._told:
                self._told.discard(workflow)
                yield _alert("canary_back", last, now, "every leg works again")


def _wrong(last: Alert, now: datetime) -> str | None:
    if last.kind == "canary_failed":
        return last.reason.text
    if last.next_by is not None and now > last.next_by:
        return f"no round since {last.since:%Y-%m-%d %H:%M:%S} UTC: does `andon canary` run?"
    return None


def _alert(kind: AlertKind, last: Alert, now: datetime, text: str) -> Alert:
    reason = Reason(text=text)
    return Alert(
        alert_id=derived_id(kind, last.alert_id),
        kind=kind,
        workflow=last.workflow,
        generation=last.generation,
        state=State.CLOSED,
        severity="critical" if kind == "canary_silent" else "info",
        since=now,
        title=title(kind, last.workflow, reason),
        reason=reason,
        resume="andon doctor",
        runbook="docs/runbooks/monitor.md#andoncanarysilent",
    )
