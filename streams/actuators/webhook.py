"""A signed request to a service of your own, which knows how to stop what does not obey."""

from __future__ import annotations

from andon.commands import Alert
from streams.receivers.webhook import WebhookSettings, payload, signature
from streams.web import Request


class HookSettings(WebhookSettings):
    """As for receivers; the type is `andon.actuate.pause` or `andon.actuate.resume`."""

    def request(self, alert: Alert, *, pause: bool) -> Request:
        """Its id is the alert's, the same at every attempt."""
        body = payload(alert, f"andon.actuate.{'pause' if pause else 'resume'}")
        return Request("POST", self.url, signature(self, alert.alert_id, body), body)
