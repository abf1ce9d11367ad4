"""A bounded queue of events and the thread that delivers them; the caller never waits for Kafka."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Literal

from andon import topics
from andon.guard.seal import seal
from andon.guard.tally import EVENTS, Tally
from andon.guard.transport import Delivery, Message, Transport

WhenFull = Literal["drop_oldest", "drop_newest", "block"]

BATCH_MAX = 500
REST_S = 0.001
"""Between two batches. What is handed over meanwhile goes together and wakes nobody: to wake the
thread costs a caller more than all the rest of its event."""
RETRY_AFTER_S = (0.05, 0.1, 0.2, 0.5, 1.0)
GAP_LABEL = "andon_dropped"
"""On the first event after a gap: how many events before it are missing from the log."""


class Outbox:
    """Delivers in order and at least once; `event_id` tells a repetition.

    `queue_max` bounds the events that wait and are under way together. Each event handed over is
    counted as queued, and in the end as sent, dropped (no room, or no broker until the close) or
    failed (refused for good). The thread starts with the first event.
    """

    def __init__(
        self,
        transport: Transport,
        tally: Tally,
        *,
        queue_max: int,
        when_full: WhenFull,
        on_start: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._tally = tally
        self._queue_max = queue_max
        self._when_full = when_full
        self._on_start = on_start
        self.forked()

    def forked(self) -> None:
        """Begin empty, as a forked child does: what waits is the parent's to deliver."""
        self._changed = threading.Condition()
        self._events: deque[dict[str, Any]] = deque()
        self._urgent: deque[Message] = deque()
        self._under_way = 0
        self._gap = 0
        self._idle = False
        self._stop_at: float | None = None
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._events) + self._under_way

    def put(self, event: dict[str, Any], *, wait: bool = True) -> bool:
        """Hand over one event. False only where it would have to block and may not `wait`."""
        with self._changed:
            if self._when_full == "block" and not self._has_room():
                if not wait:
                    return False
                self._changed.wait_for(self._has_room)
            self._tally.add(EVENTS, "queued")
            if self._stop_at is not None:
                self._drop("the guard is closed")
            elif self._has_room() or self._make_room():
                if self._when_full == "drop_newest":
                    self._mark_gap(event)
                self._events.append(event)
                self._wake()
            return True

    def put_first(self, message: Message) -> None:
        """Hand over a record that goes before all events and is never dropped for room."""
        with self._changed:
            if self._stop_at is None:
                self._urgent.append(message)
                self._wake()

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing waits and nothing is under way; False where time ran out."""
        with self._changed:
            return self._changed.wait_for(self._empty, timeout_s)

    def close(self, timeout_s: float) -> bool:
        """Deliver what waits, then stop; False where time ran out and events were dropped."""
        with self._changed:
            self._stop_at = time.monotonic() + timeout_s
            self._changed.notify_all()
        if self._thread:
            self._thread.join(timeout_s + 0.1)
        with self._changed:
            left = len(self)
            self._events.clear()
            self._under_way = 0
            if left:
                self._drop("closed before the broker had them", left)
            return left == 0

    def _has_room(self) -> bool:
        return len(self) < self._queue_max or self._stop_at is not None

    def _empty(self) -> bool:
        return not self._events and not self._urgent and (self._idle or not self._thread)

    def _make_room(self) -> bool:
        self._gap += 1
        self._drop(f"the queue is full ({self._queue_max} events)")
        if self._when_full == "drop_newest" or not self._events:
            return False
        self._events.popleft()
        return True

    def _drop(self, why: str, n: int = 1) -> None:
        self._tally.add(EVENTS, "dropped", n)
        self._tally.warn("events dropped", why, f"{n} now, see {EVENTS} for the sum")

    def _mark_gap(self, event: dict[str, Any]) -> None:
        if self._gap:
            event["labels"] = {**event.get("labels", {}), GAP_LABEL: self._gap}
            self._gap = 0

    def _wake(self) -> None:
        if self._idle:
            self._changed.notify_all()
        elif self._thread is None:
            self._start()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="andon-outbox", daemon=True)
        try:
            self._on_start()
            thread.start()
        except RuntimeError as error:  # the machine has no thread left, or the process ends
            self._tally.fault("connection", "no thread to deliver events", error)
        else:
            self._thread = thread

    def _run(self) -> None:
        left: list[Message] = []
        retries = 0
        while (batch := self._take(left)) is not None:
            left = self._deliver(batch) if batch else []
            time.sleep(REST_S)
            retries = retries + 1 if left else 0
            if left and not self._pause(RETRY_AFTER_S[min(retries, len(RETRY_AFTER_S)) - 1]):
                break
        self._transport.close()

    def _take(self, left: list[Message]) -> list[Message] | None:
        """What is to be written next, `left` first; None where the outbox is closed and empty."""
        with self._changed:
            self._under_way = _events_in(left)
            if not left:
                self._idle = True
                self._changed.notify_all()
                self._changed.wait_for(self._has_work)
                if not self._events and not self._urgent:
                    return None
                self._idle = False
            n = min(len(self._events), BATCH_MAX - self._under_way)
            events = [self._events.popleft() for _ in range(n)]
            if self._when_full == "drop_oldest" and events:
                self._mark_gap(events[0])
            self._under_way += n
            urgent = list(self._urgent)
            self._urgent.clear()
        sealed = (self._sealed(event) for event in events)
        return [*urgent, *left, *(message for message in sealed if message)]

    def _has_work(self) -> bool:
        return bool(self._events or self._urgent) or self._stop_at is not None

    def _sealed(self, event: dict[str, Any]) -> Message | None:
        try:
            return seal(event, self._tally)
        except Exception as error:
            self._tally.fault("field", "no event can be made", error)
            self._settle(1, "failed")
            return None

    def _deliver(self, messages: list[Message]) -> list[Message]:
        """One try; returns what is left for the next."""
        try:
            delivery = self._transport.deliver(messages)
        except Exception as broken:  # it should not; and this thread must live
            delivery = Delivery(messages, [], broken)
        for message, error in delivery.refused:
            self._tally.fault("field", f"record refused by {message.topic}", error)
        if delivery.left:
            self._tally.fault("connection", "records wait to be delivered", delivery.error)
        refused = _events_in(message for message, _ in delivery.refused)
        self._settle(refused, "failed")
        self._settle(_events_in(messages) - _events_in(delivery.left) - refused, "sent")
        return [message for message in delivery.left if not message.perishable]

    def _settle(self, n: int, fate: str) -> None:
        with self._changed:
            n = min(n, self._under_way)  # what a close gave up on is counted as dropped already
            self._under_way -= n
            self._tally.add(EVENTS, fate, n)
            self._changed.notify_all()

    def _pause(self, delay_s: float) -> bool:
        """Wait before the next try; False where the time to stop has come."""
        with self._changed:
            if self._stop_at is None:
                self._changed.wait_for(lambda: self._stop_at is not None, delay_s)
                return True
            left_s = self._stop_at - time.monotonic()
            if left_s > 0:
                self._changed.wait(min(delay_s, left_s))
            return left_s > 0


def _events_in(messages: Iterable[Message]) -> int:
    return sum(message.topic == topics.EVENTS for message in messages)
