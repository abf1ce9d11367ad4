"""A real Prometheus for tests: Debian's package, with our own configuration and a faster clock."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "dashboards"
SCRAPE_EVERY_S = 0.25
TIMEOUT_S = 60.0


def tool(name: str) -> str:
    """The path of `prometheus` or `promtool`; skips the test where there is none, fails in CI."""
    path = shutil.which(name)
    if path is None:
        reason = f"{name} is missing: apt-get install prometheus"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return path


class Prometheus:
    """A server that answers at `address`."""

    def __init__(self, address: str) -> None:
        self._client = httpx.Client(base_url=f"http://{address}/api/v1", timeout=TIMEOUT_S)

    def answers(self) -> bool:
        try:
            return self._client.get("/status/buildinfo").is_success
        except httpx.TransportError:
            return False

    def now(self, expr: str) -> list[dict[str, Any]]:
        """The series of an instant query."""
        return list(self._data("/query", query=expr)["result"])

    def over(self, expr: str, start: float, end: float) -> list[dict[str, Any]]:
        """The series of a range query, a point a scrape."""
        step = f"{SCRAPE_EVERY_S * 1000:.0f}ms"
        data = self._data("/query_range", query=expr, start=start, end=end, step=step)
        return list(data["result"])

    def rules(self) -> list[dict[str, Any]]:
        """All rules, with what became of their last evaluation."""
        return [rule for group in self._data("/rules")["groups"] for rule in group["rules"]]

    def _data(self, path: str, **parameters: object) -> Any:
        answer = self._client.post(path, data=parameters) if parameters else self._client.get(path)
        assert answer.is_success, answer.text
        return answer.json()["data"]


@contextmanager
def prometheus(folder: Path, targets: dict[str, str]) -> Iterator[Prometheus]:
    """Our own prometheus.yml with other `targets` (by job, some of its own) and short intervals."""
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(_config(targets)))
    address = f"127.0.0.1:{_free_port()}"
    command = [
        tool("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--log.level=warn",
    ]
    log = folder / "log"
    with log.open("wb") as sink, subprocess.Popen(command, stdout=sink, stderr=sink) as process:
        try:
            server = Prometheus(address)
            wait_until(lambda: process.poll() is not None or server.answers())
            assert process.poll() is None, log.read_text()
            yield server
        finally:
            process.terminate()


def wait_until(condition: Callable[[], object]) -> None:
    """Returns once `condition` holds; fails the test when it never does."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {TIMEOUT_S} s"
        time.sleep(SCRAPE_EVERY_S / 2)


def _config(targets: dict[str, str]) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    every = f"{SCRAPE_EVERY_S * 1000:.0f}ms"
    config["global"] = {
        "scrape_interval": every,
        "scrape_timeout": every,
        "evaluation_interval": every,
    }
    config["rule_files"] = [str(FOLDER / name) for name in config["rule_files"]]
    del config["alerting"]
    assert set(targets) <= {job["job_name"] for job in config["scrape_configs"]}
    config["scrape_configs"] = [
        {"job_name": job, "static_configs": [{"targets": [target]}]}
        for job, target in targets.items()
    ]
    return config


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
