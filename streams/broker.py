"""A real Kafka-protocol broker as a child process, for demos, tests and a first look.

It is noida-db from PyPI; docs/embedded-broker.md tells what it does differently from Apache
Kafka. It lives as long as its EmbeddedBroker: a leash ends it even when we are killed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from andon.errors import BrokerError

HOST = "127.0.0.1"
LOG_NAME = "broker.log"
LEASH = Path(__file__).with_name("leash.py")
POLL_S = 0.01

# Metadata request, version 1, about no topic: size, key, version, correlation, no client id, [].
METADATA_REQUEST = struct.pack(">ihhihi", 14, 3, 1, 0, -1, 0)


class EmbeddedBroker:
    """One broker on 127.0.0.1 with a data folder of its own; several run side by side.

    `port` 0 takes a free one, which a later start of the same object keeps. Use it as a context
    manager, or call `start()` and `stop()`. Raises BrokerError when the broker cannot be run.
    """

    def __init__(
        self,
        data_dir: Path | str,
        port: int = 0,
        *,
        start_timeout_s: float = 60.0,
        stop_timeout_s: float = 120.0,
    ) -> None:
        self.data_dir = Path(data_dir).absolute()
        self.port = port
        self.pid: int | None = None
        self._start_timeout_s = start_timeout_s
        self._stop_timeout_s = stop_timeout_s
        self._leash: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def bootstrap_servers(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def log_path(self) -> Path:
        """What the broker printed, over all its starts."""
        return self.data_dir / LOG_NAME

    @property
    def running(self) -> bool:
        return self._leash is not None and self._leash.poll() is None

    def start(self) -> EmbeddedBroker:
        """Run the broker; returns once it answers a metadata request."""
        if self.running:
            raise BrokerError(f"the embedded broker already runs at {self.bootstrap_servers}")
        self.stop()
        command = self._command()
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            with self.log_path.open("ab") as log:
                self._log_start = log.tell()
                # A session of its own: Ctrl-C reaches us alone, and we stop it in our order.
                self._leash = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(LEASH), *command],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            raise BrokerError(f"cannot use the data folder {self.data_dir}: {error}") from error
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the broker and wait until its records are on disk; harmless when it has ended.

        Raises BrokerError when it had to be killed.
        """
        leash = self._leash
        if leash is None:
            return
        assert leash.stdin is not None
        # A word, not only the end of the pipe: a forked child of ours may hold the pipe too.
        with contextlib.suppress(BrokenPipeError), leash.stdin as pipe:
            pipe.write(b"stop\n")
        try:
            leash.wait(self._stop_timeout_s)
        except subprocess.TimeoutExpired:
            self._kill(leash)
            raise BrokerError(
                f"the broker did not stop within {self._stop_timeout_s:g} s and was killed: "
                f"what {self.data_dir} did not hold yet is lost"
            ) from None
        finally:
            self._leash = self.pid = None

    def kill(self) -> None:
        """End the broker as a crash would; what it had not saved yet is lost."""
        if self._leash is not None:
            self._kill(self._leash)
        self.stop()

    def _kill(self, leash: subprocess.Popen[bytes]) -> None:
        if self.pid is None:
            leash.kill()
        elif leash.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
        leash.wait()

    def why_it_died(self) -> str:
        """The broker's last words."""
        text = self._log()
        if f"port {self.port} is already in use" in text:
            return f"port {self.port} is already in use: choose another, or 0 for a free one"
        # The dynamic linker's remark on every start with an older glibc means nothing.
        lines = [line for line in text.splitlines() if line and "weak version" not in line]
        status = self._leash.poll() if self._leash else None
        last_words = "".join(f"\n  {line}" for line in lines[-5:])
        return f"the broker ended with status {status}; end of {self.log_path}:{last_words}"

    def _command(self) -> list[str]:
        package = importlib.util.find_spec("noida_db")
        if package is None or package.origin is None:
            raise BrokerError("the embedded broker is missing: pip install 'andon[local]'")
        binary = Path(package.origin).with_name("noida-db")
        listen = ["--host", HOST, "--kafka-port", str(self.port)]
        return [str(binary), "start", "--only", "kafka", *listen, "--data-dir", str(self.data_dir)]

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self._start_timeout_s
        while not self._ready():
            if not self.running:
                raise BrokerError(self.why_it_died())
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"the broker did not answer within {self._start_timeout_s:g} s; "
                    f"see {self.log_path}"
                )
            time.sleep(POLL_S)

    def _ready(self) -> bool:
        """Whether the broker has said where it listens, and answers there."""
        text = self._log()
        pid = re.search(r"^pid (\d+)$", text, re.MULTILINE)
        port = self._port_in(text)
        if pid is None or port is None:
            return False
        self.pid, self.port = int(pid[1]), port
        return answers(HOST, self.port)

    def _port_in(self, text: str) -> int | None:
        """The port that the broker has printed that it listens on."""
        port = re.search(rf"^ +kafka +{re.escape(HOST)}:(\d+)$", text, re.MULTILINE)
        return int(port[1]) if port else None

    def _log(self) -> str:
        """What the broker printed since its last start."""
        return self.log_path.read_bytes()[self._log_start :].decode(errors="replace")

    def __enter__(self) -> EmbeddedBroker:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def answers(host: str, port: int, timeout_s: float = 1.0) -> bool:
    """Whether a Kafka broker at that address answers a metadata request."""
    try:
        with socket.create_connection((host, port), timeout_s) as connection:
            connection.sendall(METADATA_REQUEST)
            return len(connection.recv(8)) == 8
    except OSError:
        return False
