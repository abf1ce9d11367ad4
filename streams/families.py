"""Metrics of the table in `andon.metrics`, as the Prometheus client has them."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from andon.metrics import Metric


def made(metric: Metric, registry: CollectorRegistry) -> Any:
    """The client's metric for a row of the table."""
    if metric.kind == "histogram":
        return Histogram(
            metric.name, metric.help, metric.labels, buckets=metric.buckets, registry=registry
        )
    kind = Counter if metric.kind == "counter" else Gauge
    return kind(metric.name, metric.help, metric.labels, registry=registry)
