"""Apache Kafka as a child process, with the interface of the embedded broker."""

from __future__ import annotations

import functools
import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from andon.errors import BrokerError
from streams.broker import HOST, EmbeddedBroker
from tests.apache_kafka.jars import FOLDER, UnavailableError, jars

JAVA_MIN = 17
OPTIONS = (
    *("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
    "-Dorg.apache.logging.log4j.level=WARN",
)
CLUSTER = "YW5kb24tYXBhY2hlLWthZg"
# Outside the range from which outgoing connections get theirs: none sits on a port that a
# stopped broker is about to come back to.
PORTS = range(20_000, 32_000)

# One node that is broker and controller. Everything else is Kafka's default, but for what needs
# three nodes, and for waits.
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "listeners": "PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}",
    "advertised.listeners": "PLAINTEXT://{host}:{port}",
    "controller.listener.names": "CONTROLLER",
    "controller.quorum.voters": "1@{host}:{controller_port}",
    "log.dirs": "{log_dir}",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "group.initial.rebalance.delay.ms": 0,
    "broker.session.timeout.ms": 4000,
    "log.cleaner.backoff.ms": 500,
}


class ApacheKafka(EmbeddedBroker):
    """Kafka 4 in KRaft mode, on 127.0.0.1, ready in 1 to 3 s.

    Raises UnavailableError where there is no Java or no Maven Central.
    """

    def start(self) -> ApacheKafka:
        if not self.running:
            self.port = self.port or _free_port()
            names = {"host": HOST, "port": self.port, "log_dir": self._log_dir}
            names["controller_port"] = _free_port()
            lines = [f"{name}={str(value).format(**names)}" for name, value in SETTINGS.items()]
            self.data_dir.mkdir(parents=True, exist_ok=True)
            self._settings.write_text("\n".join(lines))
            if not self._log_dir.exists():
                self._format()
        super().start()
        return self

    @property
    def _settings(self) -> Path:
        return self.data_dir / "server.properties"

    @property
    def _log_dir(self) -> Path:
        return self.data_dir / "log"

    def _format(self) -> None:
        shutil.copytree(first_start() / "log", self._log_dir)

    def _command(self) -> list[str]:
        loaded = f"-XX:SharedArchiveFile={first_start() / 'classes.jsa'}"
        return [*_java(loaded), "kafka.Kafka", str(self._settings)]

    def _port_in(self, text: str) -> int:
        return self.port


class _FirstStart(ApacheKafka):
    """Leaves in its folder what makes later starts quick: a new log, and the classes as loaded."""

    def _format(self) -> None:
        tool = ["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(self._settings)]
        done = subprocess.run([*_java(), *tool], capture_output=True, text=True, check=False)
        if done.returncode:
            raise BrokerError(f"Kafka's storage tool failed: {done.stderr}")
        shutil.copytree(self._log_dir, self.data_dir / "made" / "log")

    def _command(self) -> list[str]:
        save = f"-XX:ArchiveClassesAtExit={self.data_dir / 'made' / 'classes.jsa'}"
        return [*_java(save), "kafka.Kafka", str(self._settings)]


@functools.cache
def first_start() -> Path:
    """The folder with what the first start of all with this Java has left."""
    folder = FOLDER / f"java-{java()[1]}"
    if not folder.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=FOLDER) as temporary:
            _FirstStart(temporary).start().stop()
            (Path(temporary) / "made").rename(folder)
    return folder


@functools.cache
def java() -> tuple[str, str]:
    """The command, of JAVA_HOME or else of the path, and its version."""
    home = os.environ.get("JAVA_HOME")
    command = shutil.which("java", path=f"{home}/bin" if home else None)
    if command is None:
        raise UnavailableError(f"there is no Java {JAVA_MIN}")
    told = subprocess.run([command, "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "((\d+)\S*)"', told.stderr)
    if version is None or int(version[2]) < JAVA_MIN:
        found = told.stderr.partition("\n")[0]
        raise UnavailableError(f"Kafka needs Java {JAVA_MIN} or newer, found {found}")
    return command, version[1]


def _java(*options: str) -> list[str]:
    return [java()[0], *OPTIONS, *options, "-cp", os.pathsep.join(map(str, jars()))]


def _free_port() -> int:
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        return port
