"""From runs to build/bench.json: medians and their spread, ratios, the machine and versions."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from bench.sizes import Runs, Sizes

Json = dict[str, Any]

VERSIONS = ("faust-streaming", "aiokafka", "kafka-python", "numpy", "numba", "noida-db")
PEER_PINS = Path(__file__).parents[1] / "requirements" / "peers.lock"
PEERS = ("quixstreams", "pybreaker", "purgatory")

RATIOS = {
    "monitor_per_aiokafka": ("monitor_events_per_s", "aiokafka_events_per_s"),
    "monitor_per_quix": ("monitor_events_per_s", "quix_events_per_s"),
    "monitor_per_faust": ("monitor_events_per_s", "faust_events_per_s"),
    "trip_per_two_hop_p99": ("trip_latency_ms.p99", "two_hop_ms.p99"),
    "trip_per_two_hop_loaded_p99": ("trip_latency_loaded_ms.p99", "two_hop_loaded_ms.p99"),
}
"""Of runs that took turns, each with its neighbour."""


def result_of(runs: Runs, sizes: Sizes) -> Json:
    """One object; `spread` holds the lowest and the highest run by the same keys."""
    ratios = {
        name: [a / b for a, b in zip(runs[above], runs[below], strict=True)]
        for name, (above, below) in RATIOS.items()
        if above in runs and below in runs
    }
    every = runs | ratios
    return {
        **_nested({name: _rounded(median(values)) for name, values in every.items()}),
        "spread": _nested(
            {name: [_rounded(min(values)), _rounded(max(values))] for name, values in every.items()}
        ),
        "runs": _nested({name: len(values) for name, values in every.items()}),
        "sizes": sizes._asdict(),
        "machine": {"cpus": os.cpu_count(), "arch": platform.machine(), "model": _model()},
        "versions": _versions(),
    }


def percentiles(values: list[float]) -> dict[str, float]:
    """`p50` and `p99`: the least value that so many are not above."""
    order = sorted(values)
    return {name: order[-(-len(order) * share // 100) - 1] for name, share in _SHARES.items()}


_SHARES = {"p50": 50, "p99": 99}


def _rounded(value: float) -> float:
    """Three digits are more than any of them is worth."""
    return round(value) if value >= 1000 else float(f"{value:.3g}")


def _nested(flat: Json) -> Json:
    nested: Json = {}
    for name, value in flat.items():
        head, _, tail = name.partition(".")
        if tail:
            nested.setdefault(head, {})[tail] = value
        else:
            nested[head] = value
    return nested


def _versions() -> dict[str, str]:
    ours = {name: version(name) for name in VERSIONS}
    pins = dict(re.findall(r"^([\w-]+)==([\w.]+)", PEER_PINS.read_text(), re.MULTILINE))
    return {"python": platform.python_version()} | ours | {name: pins[name] for name in PEERS}


def _model() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    return found[1] if found else "unknown"
