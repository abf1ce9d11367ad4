"""A transport without a broker, for an application's own tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from andon import topics
from andon.approvals import Answer, ApprovalRecord, Ask, Done, Undo, parse_approval
from andon.approvals_log import ApprovalsLog, Request
from andon.breaker import State
from andon.commands import Ack, Command, Heartbeat, Reason
from andon.events import Event, parse_event
from andon.guard.transport import Delivery, Message, Record
from andon.ids import uuid7
from andon.permits import Permits, deal
from andon.policy import PolicyBook
from andon.policy_topic import records_of


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
        self.permits: list[Permits] = []
        self.approvals: list[Record] = []
        self.policies: list[Record] = []
        self.changed = threading.Condition()
        self._heard = 0  # permits, by a guard

    def handled(self, topic: str, records: int) -> None:
        """So many records of a topic were read by a guard, and all is done about them."""
        if topic == topics.PERMITS and records > self._heard:
            self._heard = records
            self.changed.notify_all()

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
        """Put any command into the log; returns the guard's ack, as `obey` does.

        Permits of a trial are dealt out at once to the guards that have answered; `grant` deals
        those of the periods after.
        """
        with self.changed:
            self.log.append(command)
            self.changed.notify_all()
            self.changed.wait_for(lambda: self._acks(command), timeout_s)
            if not (acks := self._acks(command)):
                raise TimeoutError(f"no guard of {command.workflow!r} answered in {timeout_s:g} s")
        if command.state is State.HALF_OPEN and command.permits is not None:
            self.grant(command, deal(command.permits, {ack.guard: 0 for ack in acks}), timeout_s)
        return acks[0]

    def grant(self, command: Command, grants: dict[str, int], timeout_s: float = 5.0) -> None:
        """Deal out the next period's permits of a trial; returns once a guard has heard of them."""
        with self.changed:
            period = sum(each.generation == command.generation for each in self.permits)
            permits = Permits(
                workflow=command.workflow,
                generation=command.generation,
                period=period,
                grants=grants,
                at=datetime.now(UTC),
            )
            self.permits.append(permits)
            self.changed.notify_all()
            self.changed.wait_for(lambda: self._heard >= len(self.permits), timeout_s)

    def deliver(self, messages: Sequence[Message]) -> Delivery:
        with self.changed:
            for message in messages:
                if message.topic == topics.ACKS:
                    self.acks.append(Ack.model_validate_json(message.value))
                elif message.topic == topics.HEARTBEATS:
                    self.heartbeats.append(Heartbeat.model_validate_json(message.value))
                elif message.topic == topics.APPROVALS:
                    self._append(message.key, message.value)
                else:
                    self.events.append(parse_event(message.value, key=message.key))
            self.changed.notify_all()
        return Delivery([], [])

    def read(self, topic: str) -> MemoryLog:
        return MemoryLog(self, topic)

    def records(self, topic: str) -> list[Record]:
        """What a reader of the topic is told, from its beginning on."""
        if topic in (topics.COMMANDS, topics.PERMITS):
            told: Sequence[Command | Permits] = self.log
            if topic == topics.PERMITS:
                told = self.permits
            return [Record(each.workflow.encode(), each.to_json(), 0) for each in told]
        return self.policies if topic == topics.POLICIES else self.approvals

    def push(self, book: PolicyBook) -> None:
        """Push policies, as `andon policy push` does."""
        with self.changed:
            for key, value, headers in records_of(book, "user:test"):
                self.policies.append(Record(key, value, 0, headers))
            self.changed.notify_all()

    def forked(self) -> None:
        self.changed = threading.Condition()

    def close(self) -> None:
        """Nothing is held open."""

    @property
    def requests(self) -> list[Request]:
        """What people were asked, oldest first."""
        log = ApprovalsLog()
        for record in self.approvals:
            log.take(parse_approval(record.value or b""), record.at_ms)
        return list(log.requests.values())

    def answer(
        self, request: Request, verdict: Literal["approve", "deny"], by: str = "user:test"
    ) -> None:
        """Answer a guard's question, as a person would."""
        assert isinstance(request.order, Ask)
        answer = Answer(
            request_id=request.order.request_id,
            workflow=request.order.workflow,
            issued_at=datetime.now(UTC),
            issued_by=by,
            verdict=verdict,
            digest=request.order.digest,
            reason="a test",
        )
        self.write(answer)

    def undo(self, event: Event, by: str = "user:test", timeout_s: float = 5.0) -> Done:
        """Order an action to be undone, as a person would; what the guard reports of it.

        Raises TimeoutError where no guard does it.
        """
        order = Undo(
            request_id=uuid7(),
            workflow=event.workflow,
            issued_at=datetime.now(UTC),
            issued_by=by,
            event=event,
            reason="a test",
            expires_s=60,
        )
        self.write(order)
        with self.changed:
            self.changed.wait_for(lambda: self._done(order), timeout_s)
            if done := self._done(order):
                return done
        raise TimeoutError(f"no guard has undone {event.action} in {timeout_s:g} s")

    def _done(self, order: Undo) -> Done | None:
        requests = (each for each in self.requests if each.order == order)
        return next((each.done for each in requests if each.done), None)

    def write(self, record: ApprovalRecord) -> None:
        """Put any record among the approvals."""
        with self.changed:
            self._append(record.workflow.encode(), record.to_json())
            self.changed.notify_all()

    def _append(self, key: bytes, value: bytes) -> None:
        self.approvals.append(Record(key, value, time.time_ns() // 1_000_000))

    def _acks(self, command: Command) -> list[Ack]:
        place = (command.workflow, command.generation)
        return [ack for ack in self.acks if (ack.workflow, ack.generation) == place]


class MemoryLog:
    """One reader of a topic of a MemoryTransport."""

    def __init__(self, transport: MemoryTransport, topic: str) -> None:
        self._transport = transport
        self._topic = topic
        self._end = len(transport.records(topic))
        self._read = 0

    def poll(self, timeout_s: float) -> list[Record]:
        with self._transport.changed:
            self._transport.handled(self._topic, self._read)
            self._transport.changed.wait_for(lambda: len(self._records()) > self._read, timeout_s)
            records = self._records()[self._read :]
            self._read += len(records)
        return records

    def caught_up(self) -> bool:
        return self._read >= self._end

    def close(self) -> None:
        """Nothing is held open."""

    def _records(self) -> list[Record]:
        return self._transport.records(self._topic)
