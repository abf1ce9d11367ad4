"""A transport without a broker, for an application's own tests."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime

from andon import topics
from andon.breaker import State
from andon.commands import Ack, Command, Heartbeat, Reason
from andon.events import Event, parse_event
from andon.guard.transport import Delivery, Message
from andon.ids import uuid7


class MemoryTransport:
    """Keeps what a guard writes, in order; `obey` has a guard paused or resumed.

    stream = MemoryTransport()
    guard = Guard("refunds", "refund-bot", transport=stream)
    ...
    guard.flush()
    assert [event.action for event in stream.events] == ["refund.create"]
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.acks: list[Ack] = []
        self.heartbeats: list[Heartbeat] = []
        self.log: list[Command] = []
        self.changed = threading.Condition()

    def obey(
        self, workflow: str, state: State, *, reason: str = "a test", timeout_s: float = 5.0
    ) -> Ack:
        """Command a state; returns the guard's ack. Raises TimeoutError where none comes."""
        with self.changed:
            generation = len(self.log) + 1
        command = Command(
            command_id=uuid7(),
            workflow=workflow,
            generation=generation,
            state=state,
            reason=Reason(text=reason),
            issued_at=datetime.now(UTC),
            issued_by="user:test",
        )
        return self.command(command, timeout_s=timeout_s)

    def command(self, command: Command, *, timeout_s: float = 5.0) -> Ack:
        """Put any command into the log; returns the guard's ack, as `obey` does."""
        with self.changed:
            self.log.append(command)
            self.changed.notify_all()
            self.changed.wait_for(lambda: self._acks(command), timeout_s)
            if not (acks := self._acks(command)):
                raise TimeoutError(f"no guard of {command.workflow!r} answered in {timeout_s:g} s")
            return acks[0]

    def deliver(self, messages: Sequence[Message]) -> Delivery:
        with self.changed:
            for message in messages:
                if message.topic == topics.ACKS:
                    self.acks.append(Ack.model_validate_json(message.value))
                elif message.topic == topics.HEARTBEATS:
                    self.heartbeats.append(Heartbeat.model_validate_json(message.value))
                else:
                    self.events.append(parse_event(message.value, key=message.key))
            self.changed.notify_all()
        return Delivery([], [])

    def commands(self) -> MemoryCommandLog:
        return MemoryCommandLog(self)

    def forked(self) -> None:
        self.changed = threading.Condition()

    def close(self) -> None:
        """Nothing is held open."""

    def _acks(self, command: Command) -> list[Ack]:
        place = (command.workflow, command.generation)
        return [ack for ack in self.acks if (ack.workflow, ack.generation) == place]


class MemoryCommandLog:
    """One reader of the commands of a MemoryTransport."""

    def __init__(self, transport: MemoryTransport) -> None:
        self._transport = transport
        self._end = len(transport.log)
        self._read = 0

    def poll(self, timeout_s: float) -> list[tuple[bytes | None, bytes | None]]:
        with self._transport.changed:
            self._transport.changed.wait_for(
                lambda: len(self._transport.log) > self._read, timeout_s
            )
            commands = self._transport.log[self._read :]
            self._read += len(commands)
        return [(command.workflow.encode(), command.to_json()) for command in commands]

    def caught_up(self) -> bool:
        return self._read >= self._end

    def close(self) -> None:
        """Nothing is held open."""
