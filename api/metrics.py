"""What the API counts of itself, from the table in `andon.metrics`."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from andon.metrics import API
from streams.families import made


class Metrics:
    """`text()` is what a scrape reads."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._metrics: dict[str, Any] = {
            metric.name: made(metric, self._registry) for metric in API
        }
        for fate in ("accepted", "rejected"):
            self.events(fate, 0)
        for answer in ("allowed", "refused"):
            self._metrics["andon_api_permits_total"].labels(answer)

    def answered(self, operation: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._metrics["andon_api_requests_total"].labels(operation, str(status)).inc()
        self._metrics["andon_api_request_seconds"].labels(operation).observe(seconds)

    def events(self, fate: str, count: int) -> None:
        """Events were accepted or rejected."""
        self._metrics["andon_api_events_total"].labels(fate).inc(count)

    def permit(self, allowed: bool) -> None:
        """An automation asked."""
        self._metrics["andon_api_permits_total"].labels("allowed" if allowed else "refused").inc()

    def text(self) -> bytes:
        """Prometheus' text format."""
        return bytes(generate_latest(self._registry))
