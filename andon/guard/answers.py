"""What a guard answers: that it obeys a command, and every few seconds that it lives."""

from __future__ import annotations

import logging
import os
import socket

from andon import topics
from andon.commands import Ack, Command, Heartbeat
from andon.guard.gate import Clock, Gate
from andon.guard.outbox import Outbox
from andon.guard.recorder import Recorder
from andon.guard.tally import log
from andon.guard.transport import Message
from andon.ids import uuid7
from andon.scope_names import scope_of


class Answers:
    """Called by the guard's own threads; callers of actions never wait for it.

    `guard_id` names this instance; a forked child has one of its own.
    """

    def __init__(
        self,
        workflow: str,
        automation: str,
        gate: Gate,
        recorder: Recorder,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._workflow = workflow
        self._automation = automation
        self._gate = gate
        self._recorder = recorder
        self._outbox = outbox
        self._clock = clock
        self.forked()

    def forked(self) -> None:
        """In a forked child: another guard, that has told nothing yet."""
        self.guard_id = f"{socket.gethostname()}-{os.getpid()}-{uuid7()[-8:]}"
        self._has_beaten = False

    def acknowledge(self, command: Command) -> None:
        """Tell that the command is obeyed, and how many actions it found running."""
        in_flight = self._recorder.in_flight
        level = logging.WARNING if command.state.refuses else logging.INFO
        log.log(
            level,
            "workflow %r: %s%s, generation %d: %s",
            self._workflow,
            f"{scope}: " if (scope := scope_of(command.workflow)) else "",
            command.state.label,
            command.generation,
            command.reason.text,
        )
        ack = Ack(
            workflow=command.workflow,
            generation=command.generation,
            guard=self.guard_id,
            automation=self._automation,
            applied_at=self._clock(),
            in_flight=in_flight,
        )
        self._outbox.put_first(Message(topics.ACKS, ack.workflow.encode(), ack.to_json()))

    def beat(self) -> None:
        """Tell that this guard lives, and what it obeys."""
        self._has_beaten = True
        self._send_heartbeat(leaving=False)

    def leave(self) -> None:
        """Say goodbye, so that nobody waits for an answer."""
        if self._has_beaten:
            self._send_heartbeat(leaving=True)

    def _send_heartbeat(self, *, leaving: bool) -> None:
        standing = self._gate.state
        heartbeat = Heartbeat(
            workflow=self._workflow,
            guard=self.guard_id,
            automation=self._automation,
            at=self._clock(),
            generation=standing.generation,
            state=standing.state,
            in_flight=self._recorder.in_flight,
            leaving=leaving,
            wants=self._gate.wants,
        )
        key, value = self._workflow.encode(), heartbeat.to_json()
        self._outbox.put_first(Message(topics.HEARTBEATS, key, value, perishable=True))
