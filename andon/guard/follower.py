"""Hears the commands of one workflow, makes the gate obey, and has them answered."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence

from pydantic import ValidationError

from andon.commands import Command
from andon.guard.answers import Answers
from andon.guard.gate import Gate
from andon.guard.tail import Tail
from andon.guard.tally import Tally
from andon.guard.transport import Record, Transport
from andon.signing import Verifier
from andon.topics import COMMANDS

BEAT_EVERY_S = 5.0
BEAT_JITTER = 0.2
"""So much earlier or later: guards that started together must not beat together."""


class Follower:
    """Follows `andon.commands`.

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
        verifier: Verifier | None = None,
    ) -> None:
        self._workflow = workflow
        self._gate = gate
        self._tally = tally
        self._answers = answers
        self.tail = Tail(COMMANDS, transport, tally, self)
        self._verifier = verifier
        self.forked()

    def forked(self) -> None:
        """In a forked child: not started, nothing known or acknowledged yet."""
        self.known = threading.Event()
        self._acknowledged = 0
        self._beat_at = 0.0
        self._behind = True
        self._newest: list[Command] = []
        self.tail.forked()

    def opened(self) -> None:
        self._behind = True
        self._newest = []

    def read(self, records: Sequence[Record]) -> None:
        read = [command for record in records if (command := self._read(record))]
        if self._behind:
            # Of two commands of one generation the first holds, as for guards that live then.
            newest = self._newest + read
            self._newest = [max(newest, key=_generation)] if newest else []
            return
        for command in read:
            self._obey(command)
        self._beat_if_due()

    def caught_up(self) -> None:
        self._behind = False
        for command in self._newest:
            self._obey(command)
        self._gate.hears(True)
        self.known.set()

    def lost(self) -> None:
        self._gate.hears(False)
        if not self.tail.stopped:
            self._beat_if_due()

    def _beat_if_due(self) -> None:
        if time.monotonic() >= self._beat_at:
            jitter = random.uniform(1 - BEAT_JITTER, 1 + BEAT_JITTER)
            self._beat_at = time.monotonic() + BEAT_EVERY_S * jitter
            self._answers.beat()

    def _read(self, record: Record) -> Command | None:
        """The command, where it is one of this workflow; what cannot be read is counted."""
        if record.key != self._workflow.encode() or record.value is None:
            return None
        if self._verifier and (problem := self._verifier.problem(record.value)):
            self._tally.fault("signature", "of a command that is refused", problem)
            return None
        try:
            command = Command.model_validate_json(record.value)
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
