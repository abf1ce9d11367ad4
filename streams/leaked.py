"""What took effect although its workflow was paused, added up."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from andon.commands import EVIDENCE_MAX, Money
from detectors.effects import Leak
from detectors.times import moment


@dataclass(slots=True)
class Leaked:
    """What took effect after one pause, as far as it was seen here."""

    generation: int
    events: int = 0
    value: Money = field(default_factory=dict)
    event_ids: list[str] = field(default_factory=list)
    automations: set[str] = field(default_factory=set)
    newest: datetime | None = None

    def add(self, leak: Leak) -> None:
        """One action more."""
        ts = moment(leak.ts_us)
        self.events += 1
        self.automations.add(leak.automation)
        self.newest = ts if self.newest is None else max(self.newest, ts)
        if len(self.event_ids) < EVIDENCE_MAX:
            self.event_ids.append(leak.event_id)
        if leak.value is not None and leak.currency is not None:
            currency = leak.currency.upper()
            self.value[currency] = self.value.get(currency, 0.0) + leak.value
