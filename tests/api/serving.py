"""`andon api` as a process, and a client for it."""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from andon.ids import uuid7
from api.scopes import Scope
from api.tokens import add_token
from tests.andon.streaming import until

ANDON = str(Path(sys.executable).with_name("andon"))
ADDRESS = re.compile(r"listening on (\S+)")
EVENT: dict[str, Any] = {
    "ts": "2026-01-31T08:00:00Z",
    "automation": "refund-bot",
    "capability": "transact",
    "action": "refund.create",
    "target": "ch_8821",
    "value": 42.5,
    "currency": "USD",
    "outcome": "success",
}


def event(workflow: str, **changes: Any) -> dict[str, Any]:
    """A refund that went well, with an id of its own."""
    return EVENT | {"workflow": workflow, "event_id": uuid7()} | changes


def proposal(workflow: str, **changes: Any) -> dict[str, Any]:
    """A refund to be."""
    fields = {name: EVENT[name] for name in EVENT if name not in ("ts", "outcome")}
    return fields | {"workflow": workflow} | changes


class Api:
    """A context manager that leaves no process behind. Its token may do everything."""

    def __init__(
        self,
        broker: str,
        folder: Path,
        *options: str,
        authenticated: bool = True,
        trust: str | None = None,
        **environment: str,
    ) -> None:
        self.tokens = folder / "tokens.json"
        self.token = add_token(self.tokens, "ada", list(Scope))
        self.log = folder / "api.log"
        self._options = ["--port", "0", *options]
        self._options += ["--tokens", str(self.tokens)] if authenticated else []
        self._env = os.environ | environment
        self._env |= {"KAFKA_BOOTSTRAP_SERVERS": broker, "ANDON_DATA_DIR": str(folder)}
        self._env["PYTHONUNBUFFERED"] = "1"
        self._verify = ssl.create_default_context(cafile=trust) if trust else True

    def start(self) -> Api:
        """Wait until it listens; it may not have reached the broker yet."""
        with self.log.open("wb") as log:
            command = [ANDON, "api", *self._options]
            self._process = subprocess.Popen(command, env=self._env, stdout=log, stderr=log)
        self.url = str(until(lambda: ADDRESS.search(self.said), "the API")[1])
        self.client = httpx.Client(
            base_url=self.url, headers=self.as_(self.token), timeout=30, verify=self._verify
        )
        return self

    @staticmethod
    def as_(token: str) -> dict[str, str]:
        """The header of a caller."""
        return {"Authorization": f"Bearer {token}"}

    @property
    def said(self) -> str:
        """What it printed; fails where it has ended."""
        assert self._process.poll() is None, self.log.read_text()
        return self.log.read_text()

    def ready(self) -> Api:
        """Wait for the broker."""
        until(lambda: self.client.get("/readyz").status_code == 200, "the broker")
        return self

    def metric(self, name: str) -> float:
        """One line of /metrics, with its labels as they stand there."""
        for line in self.client.get("/metrics").text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        return 0.0

    def __enter__(self) -> Api:
        return self.start().ready()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.client.close()
        self._process.terminate()
        assert self._process.wait(30) == 0, self.log.read_text()
        assert "Traceback" not in self.log.read_text(), self.log.read_text()
