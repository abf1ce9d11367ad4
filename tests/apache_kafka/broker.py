"""Apache Kafka as a child process, with the interface of the embedded broker."""

from __future__ import annotations

import functools
import os
import random
import re
import shutil
import socket
import subprocess

from andon.errors import BrokerError
from streams.broker import HOST, EmbeddedBroker
from tests.apache_kafka.jars import UnavailableError, jars

JAVA_MIN = 17
OPTIONS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
CLUSTER = "YW5kb24tYXBhY2hlLWthZg"
# Outside the range from which outgoing connections get theirs: none sits on a port that a
# stopped broker is about to come back to.
PORTS = range(20_000, 32_000)

# One node that is broker and controller. Everything else is Kafka's default, but for what needs
# three nodes, and for waits that only save rebalances.
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "listeners": "PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}",
    "advertised.listeners": "PLAINTEXT://{host}:{port}",
    "controller.listener.names": "CONTROLLER",
    "controller.quorum.voters": "1@{host}:{controller_port}",
    "log.dirs": "{folder}",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "group.initial.rebalance.delay.ms": 0,
    "log.cleaner.backoff.ms": 500,
}


class ApacheKafka(EmbeddedBroker):
    """Kafka 4 in KRaft mode, on 127.0.0.1; `start()` and `stop()` take some seconds.

    Raises UnavailableError where there is no Java or no Maven Central.
    """

    def start(self) -> ApacheKafka:
        if not self.running:
            self.port = self.port or _free_port()
            self._configure()
        super().start()
        return self

    def _configure(self) -> None:
        names = {
            "host": HOST,
            "port": self.port,
            "controller_port": _free_port(),
            "folder": self.data_dir / "log",
        }
        lines = [f"{name}={str(value).format(**names)}" for name, value in SETTINGS.items()]
        self.data_dir.mkdir(parents=True, exist_ok=True)
        (self.data_dir / "server.properties").write_text("\n".join(lines))
        if not (self.data_dir / "log").exists():
            done = subprocess.run(
                self._java("kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c"),
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise BrokerError(f"Kafka's storage tool failed: {done.stderr}")

    def _command(self) -> list[str]:
        return self._java("kafka.Kafka")

    def _java(self, program: str, *arguments: str) -> list[str]:
        logging = "-Dorg.apache.logging.log4j.level=WARN"
        settings = str(self.data_dir / "server.properties")
        return [*java(), *OPTIONS, logging, "-cp", class_path(), program, *arguments, settings]

    def _port_in(self, text: str) -> int:
        return self.port


@functools.cache
def class_path() -> str:
    return os.pathsep.join(map(str, jars()))


@functools.cache
def java() -> list[str]:
    """The command, of JAVA_HOME or else of the path."""
    home = os.environ.get("JAVA_HOME")
    command = shutil.which("java", path=f"{home}/bin" if home else None)
    if command is None:
        raise UnavailableError(f"there is no Java {JAVA_MIN}")
    told = subprocess.run([command, "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(\d+)', told.stderr)
    if version is None or int(version[1]) < JAVA_MIN:
        found = told.stderr.partition("\n")[0]
        raise UnavailableError(f"Kafka needs Java {JAVA_MIN} or newer, found {found}")
    return [command]


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
