"""Hears the commands of a workflow and its scopes, makes the gate obey, has them answered."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence

from pydantic import ValidationError

from andon.commands import Command
from andon.guard.answers import Answers
from andon.guard.gate import Gate
from andon.guard.permits import PermitFollower
from andon.guard.scopes import Scopes
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

    While it catches up it obeys nothing but the newest commands, so that the past is not lived
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
        scopes: Scopes,
        permits: PermitFollower,
        verifier: Verifier | None = None,
    ) -> None:
        self._workflow = workflow
        self._concern = scopes.concern
        self._gate = gate
        self._permits = permits
        self._tally = tally
        self._answers = answers
        self.tail = Tail(COMMANDS, transport, tally, self)
        self._verifier = verifier
        self.forked()

    def forked(self) -> None:
        """In a forked child: not started, nothing known or acknowledged yet."""
        self.known = threading.Event()
        self._acknowledged: dict[str, int] = {}
        self._beat_at = 0.0
        self._behind = True
        self._newest: dict[str, Command] = {}
        self.tail.forked()

    def opened(self) -> None:
        self._behind = True
        self._newest = {}

    def read(self, records: Sequence[Record]) -> None:
        read = [command for record in records if (command := self._read(record))]
        if self._behind:
            for command in read:
                # Of two commands of one generation the first holds, as for guards that live then.
                known = self._newest.setdefault(command.workflow, command)
                self._newest[command.workflow] = max(known, command, key=_generation)
            return
        for command in read:
            self._obey(command)
        self._beat_if_due()

    def caught_up(self) -> None:
        self._behind = False
        for command in self._newest.values():
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
        """The command, where it concerns this guard; what cannot be read is counted."""
        key = (record.key or b"").decode(errors="replace")
        if record.value is None or not (key == self._workflow or self._concern(key)):
            return None
        if self._verifier and (problem := self._verifier.problem(record.value)):
            self._tally.fault("signature", "of a command that is refused", problem)
            return None
        try:
            command = Command.model_validate_json(record.value)
        except ValidationError as error:
            self._tally.fault("command", "that cannot be read", error)
            return None
        if command.workflow != key:
            self._tally.fault("command", "under a wrong key", f"it is for {command.workflow!r}")
            return None
        return command

    def _obey(self, command: Command) -> None:
        self._gate.obey(command)
        if self._permits.wanted():
            self._permits.tail.start()
        workflow = command.workflow
        obeyed = self._gate.of(workflow).generation
        if obeyed == command.generation > self._acknowledged.get(workflow, 0):
            self._acknowledged[workflow] = command.generation
            self._answers.acknowledge(command)


def _generation(command: Command) -> int:
    return command.generation
