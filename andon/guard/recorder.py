"""From attempts to events: who may run, what runs now, how it ended, and what is told of it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, NamedTuple

from andon.errors import BreakerOpen, LimitExceeded, Sandboxed
from andon.events import By, Capability, Outcome
from andon.guard.attempt import Attempt, Refused
from andon.guard.fields import SHAPES, text
from andon.guard.gate import Clock, Gate, Refusal
from andon.guard.outbox import Outbox
from andon.guard.patterns.rails import Rails
from andon.guard.steps import LEARN_S, Steps, Wait
from andon.guard.tally import ACTIONS, STALE, Tally
from andon.ids import uuid7

HELD_LABEL = "andon_held"
"""On the events of a call that is held: what refused it, and what became of it, have the same."""
REMEMBERED_MAX = 10_000
REMEMBERED_FIELDS = ("capability", "action", "target", "value", "currency")


class Author(NamedTuple):
    """What is the same in every event of one guard."""

    workflow: str
    automation: str
    mode: str


class Recorder:
    """Thread-safe, without a lock of its own: each of its steps on shared state is one step."""

    def __init__(
        self, author: Author, gate: Gate, rails: Rails, outbox: Outbox, tally: Tally, clock: Clock
    ) -> None:
        self._author = author
        self._gate = gate
        self._rails = rails
        self._outbox = outbox
        self._tally = tally
        self._clock = clock
        self.keep: Callable[[Attempt, Refusal], Steps[Refusal]] | None = None
        self._running: set[Attempt] = set()
        self._remembered: OrderedDict[str, tuple[Any, ...]] = OrderedDict()

    @property
    def mode(self) -> str:
        """Of all events that have none of their own."""
        return self._author.mode

    @property
    def in_flight(self) -> int:
        """How many actions run now."""
        return len(self._running)

    def forked(self) -> None:
        """In a forked child: what runs in other threads runs in the parent."""
        self._running.clear()

    def begin(self, attempt: Attempt) -> bool:
        """True where it has to be admitted; otherwise it runs."""
        # Running before it is judged, so that no ack misses an action that passed the old state.
        self._running.add(attempt)
        return self._gate.barred or self._rails.concern(attempt)

    def admit(self, attempt: Attempt) -> Steps[Refused | None]:
        """Let breaker and guardrails judge an attempt that has begun."""
        gate, rails = self._gate, self._rails
        careful = not gate.connected and rails.careful(attempt)
        if not gate.learned.done() and gate.closes(careful):
            gate.wake()
            yield Wait(gate.learned, LEARN_S)
        if wait := gate.deal():
            yield wait
        concerned = rails.concern(attempt)
        refusal = gate.judge(attempt, take=not concerned, careful=careful)
        if refusal is None and concerned:
            self._running.discard(attempt)  # it may wait for people
            refusal = yield from rails.admit(attempt)
            self._running.add(attempt)
            live = attempt.mode is None
            if refusal is None and (refusal := gate.judge(attempt, take=live, careful=careful)):
                rails.give_back(attempt)
        if refusal is None:
            if gate.stale:
                self._tally.add(STALE, "ran")
            return None
        if refusal.stale:
            self._tally.add(STALE, "refused")
        attempt.refused = True
        if self.keep is not None:
            refusal = yield from self.keep(attempt, refusal)
        attempt.reason = refusal.reason
        return Refused(refusal.error, self._ended(attempt, Outcome.DENIED))

    def abandon(self, attempt: Attempt) -> None:
        """An attempt that has begun does not run."""
        self._running.discard(attempt)

    def end(self, attempt: Attempt, error: BaseException | None) -> dict[str, Any]:
        self._running.discard(attempt)
        if attempt.reason is None:
            attempt.reason = attempt.released if error is None else error
        outcome = self._outcome(attempt, error)
        event = self._ended(attempt, outcome)
        if outcome is Outcome.SUCCESS:
            self._remember(event)
        return event

    def reversal(
        self,
        event_id: str,
        by: By,
        capability: Capability | None,
        action: str | None,
        fields: Mapping[str, object],
    ) -> dict[str, Any]:
        """The event that undoes an earlier one; what is not given is as it was remembered."""
        earlier = self._remembered.get(event_id)
        if earlier is None and not (capability and action):
            unknown = "the earlier action is not remembered: give capability and action"
            self._tally.fault("field", "of a reversal", unknown)
        was, named, *rest = earlier or (Capability.UPDATE, "reversal")
        same = dict(zip(REMEMBERED_FIELDS[2:], rest, strict=False))
        attempt = Attempt(self, capability or was, action or named, same | dict(fields))
        return self._event(attempt, Outcome.SUCCESS) | {"reverses": event_id, "by": by}

    def dropped(self, attempt: Attempt, reason: str) -> None:
        """Tell of an attempt that was refused and held that it is not going to run."""
        last = copy(attempt)
        last.event_id, last.reason = uuid7(), reason
        if not self._outbox.put(self._ended(last, Outcome.DENIED), wait=False):
            self._tally.warn("held call", "dropped, and its event too", "the queue is full")

    def sandboxed(self, attempt: Attempt, result: object) -> Sandboxed:
        """What the caller of an action is told that was only rehearsed; people are asked."""
        return self._rails.sandboxed(attempt, result)

    def emit(self, event: dict[str, Any]) -> None:
        self._outbox.put(event)

    async def emit_async(self, event: dict[str, Any]) -> None:
        if not self._outbox.put(event, wait=False):
            await asyncio.to_thread(self._outbox.put, event)

    def _outcome(self, attempt: Attempt, error: BaseException | None) -> Outcome:
        if attempt.outcome is not None:
            try:
                return Outcome(attempt.outcome)
            except ValueError as unknown:
                self._tally.fault("classifier", "outcome", unknown)
        if error is None:
            return Outcome.SUCCESS
        refused = isinstance(error, BreakerOpen | LimitExceeded)
        return Outcome.DENIED if refused else Outcome.ERROR

    def _ended(self, attempt: Attempt, outcome: Outcome) -> dict[str, Any]:
        self._tally.add(ACTIONS, outcome)
        return self._event(attempt, outcome)

    def _event(self, attempt: Attempt, outcome: Outcome) -> dict[str, Any]:
        event: dict[str, Any] = {
            "event_id": attempt.event_id,
            "ts": self._clock(),
            "workflow": self._author.workflow,
            "automation": self._author.automation,
            "mode": attempt.mode or self._author.mode,
            "capability": attempt.capability,
            "action": text(attempt.action, 200) or "unnamed",
            "outcome": outcome,
        }
        told = attempt.__dict__
        for field, shape in SHAPES.items():
            value = told.get(field)
            if value is not None:
                try:
                    event[field] = shape(value)
                except Exception as error:
                    self._tally.fault("field", f"{field}, left out of an event", error)
        if attempt.held:
            event["labels"] = {**event.get("labels", {}), HELD_LABEL: attempt.held}
        if self._rails.concern(attempt):
            self._rails.settle(attempt, event)
        return event

    def _remember(self, event: dict[str, Any]) -> None:
        self._remembered[event["event_id"]] = tuple(map(event.get, REMEMBERED_FIELDS))
        if len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)
