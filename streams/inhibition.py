"""Which pages are held back, because one alert has told of their common cause already."""

from __future__ import annotations

from datetime import datetime, timedelta

from andon.commands import Alert


class Inhibitions:
    """Asked for every alert in the order in which it is read, also for those of the past.

    While a target is down, the pauses of further workflows that fail on it page nobody.
    """

    def __init__(self) -> None:
        self._down: dict[str, _Down] = {}

    def by(self, alert: Alert) -> str | None:
        """The alert that has told of it; None where people have to be told."""
        if alert.kind == "target_down":
            window = timedelta(seconds=alert.reason.window_s or 0)
            self._down[alert.workflow] = _Down(alert.alert_id, alert.since, window)
            return None
        down = self._down.get(alert.target or "") if alert.kind == "paused" else None
        if down is None or not down.began <= alert.since < down.newest + down.window:
            return None
        down.newest = max(down.newest, alert.since)
        return down.alert_id


class _Down:
    def __init__(self, alert_id: str, began: datetime, window: timedelta) -> None:
        self.alert_id = alert_id
        self.began = self.newest = began
        self.window = window
