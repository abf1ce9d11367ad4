"""The canary's Prometheus metrics."""

from __future__ import annotations

from time import time

from prometheus_client import CollectorRegistry

from andon.canary import LEGS
from andon.metrics import CANARY
from streams.canary import Round
from streams.families import made


class CanaryMetrics:
    """What a scrape of the canary reads, in `registry`."""

    def __init__(self, every_s: float) -> None:
        self.registry = CollectorRegistry()
        self._metrics = {metric.name: made(metric, self.registry) for metric in CANARY}
        self._metrics["andon_canary_every_seconds"].set(every_s)
        for result in ("passed", *LEGS):
            self._metrics["andon_canary_rounds_total"].labels(result=result).inc(0)

    def went_round(self, done: Round) -> None:
        """Count a round."""
        self._metrics["andon_canary_rounds_total"].labels(result=done.failed or "passed").inc()
        for leg, seconds in done.seconds.items():
            self._metrics["andon_canary_leg_seconds"].labels(leg=leg).set(seconds)
        if done.failed is None:
            self._metrics["andon_canary_last_success_timestamp_seconds"].set(time())
