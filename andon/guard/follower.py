"""A thread that reads the commands of one workflow, makes the gate obey, and acknowledges."""

from __future__ import annotations

import contextlib
import random
import threading
import time

from pydantic import ValidationError

from andon.commands import Command
from andon.guard.answers import Answers
from andon.guard.gate import Gate
from andon.guard.tally import Tally
from andon.guard.transport import CommandLog, Transport

POLL_S = 0.1
BEAT_EVERY_S = 5.0
BEAT_JITTER = 0.2
"""So much earlier or later: guards that started together must not beat together."""
REOPEN_AFTER_S = (0.1, 0.2, 0.5, 1.0, 2.0)


class Follower:
    """Reads `andon.commands` from its beginning, again whenever the broker was lost.

    While it catches up it obeys nothing but the newest command, so that the past is not lived
    through again. Each generation obeyed is answered once; heartbeats begin when the log was read,
    or found unreadable.
    """

    def __init__(
        self,
        workflow: str,
        transport: Transport,
        gate: Gate,
        tally: Tally,
        answers: Answers,
    ) -> None:
        self._workflow = workflow
        self._transport = transport
        self._gate = gate
        self._tally = tally
        self._answers = answers
        self.forked()

    def forked(self) -> None:
        """In a forked child: not started, nothing known or acknowledged yet."""
        self.known = threading.Event()
        self._stop = threading.Event()
        self._starting = threading.Lock()
        self._acknowledged = 0
        self._beat_at = 0.0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start, where it does not run and was not stopped. Never raises."""
        with self._starting:
            if self._thread is None and not self._stop.is_set():
                thread = threading.Thread(target=self._run, name="andon-follower", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:  # the machine has no thread left
                    self._tally.fault("connection", "no thread to hear commands", error)
                else:
                    self._thread = thread

    def stop(self) -> None:
        """Ask it to end."""
        self._stop.set()

    def join(self, timeout_s: float) -> None:
        """Wait until it has ended."""
        if self._thread:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                with contextlib.closing(self._transport.commands()) as log:
                    failures = 0
                    self._follow(log)
            except Exception as error:
                self._tally.fault("connection", "commands are not heard", error)
                self._gate.hears(False)
                self._beat_if_due()
                self._stop.wait(REOPEN_AFTER_S[min(failures, len(REOPEN_AFTER_S) - 1)])
                failures += 1
        self._gate.hears(False)

    def _follow(self, log: CommandLog) -> None:
        newest: list[Command] = []
        while not log.caught_up():
            # Of two commands of one generation the first holds, as for guards that live then.
            read = newest + self._poll(log)
            newest = [max(read, key=_generation)] if read else []
            if self._stop.is_set():
                return
        for command in newest:
            self._obey(command)
        self._gate.hears(True)
        self.known.set()
        while not self._stop.is_set():
            self._beat_if_due()
            for command in self._poll(log):
                self._obey(command)

    def _beat_if_due(self) -> None:
        if time.monotonic() >= self._beat_at:
            jitter = random.uniform(1 - BEAT_JITTER, 1 + BEAT_JITTER)
            self._beat_at = time.monotonic() + BEAT_EVERY_S * jitter
            self._answers.beat()

    def _poll(self, log: CommandLog) -> list[Command]:
        records = log.poll(POLL_S)
        return [command for key, value in records if (command := self._read(key, value))]

    def _read(self, key: bytes | None, value: bytes | None) -> Command | None:
        """The command, where it is one of this workflow; what cannot be read is counted."""
        if key != self._workflow.encode() or value is None:
            return None
        try:
            command = Command.model_validate_json(value)
        except ValidationError as error:
            self._tally.fault("command", "that cannot be read", error)
            return None
        if command.workflow != self._workflow:
            self._tally.fault("command", "under a wrong key", f"it is for {command.workflow!r}")
            return None
        return command

    def _obey(self, command: Command) -> None:
        self._gate.obey(command)
        if self._gate.state.generation == command.generation > self._acknowledged:
            self._acknowledged = command.generation
            self._answers.acknowledge(command)


def _generation(command: Command) -> int:
    return command.generation
