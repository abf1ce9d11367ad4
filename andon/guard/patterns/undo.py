"""Undoing: a person orders it from anywhere, a guard that knows how carries it out, once."""

from __future__ import annotations

import asyncio
import inspect
import queue
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from andon.approvals import Done, Undo
from andon.approvals_log import Request, Standing
from andon.events import By, Event
from andon.guard.action import ACTION
from andon.guard.fields import REASON_MAX, text
from andon.guard.patterns.people import People
from andon.guard.steps import walk
from andon.guard.tally import log, told

if TYPE_CHECKING:
    from andon.guard.outbox import Outbox
    from andon.guard.recorder import Recorder

RECORDED_S = 10.0
"""How long an undo waits for the broker to have its reversal, before it reports."""


class Undos:
    """Knows how to undo the actions of one guard, and does so in a thread of its own, in turn.

    A pause does not stop it: a person has ordered it.
    """

    def __init__(self, people: People, recorder: Recorder, outbox: Outbox) -> None:
        self._people = people
        self._recorder = recorder
        self._outbox = outbox
        self._functions: dict[str, Callable[[Event], Any]] = {}
        self.forked()
        people.on_order = self._hear

    def forked(self) -> None:
        """In a forked child: nothing waits; the worker starts with the first order."""
        self._orders: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._worker: threading.Thread | None = None

    def resume(self) -> None:
        """In a forked child, at its first action: hear orders again."""
        if self._functions:
            self._people.tail.start()

    def stop(self) -> None:
        """Take up nothing more."""
        self._orders.put(None)

    def register(self, action: str, function: Callable[[Event], Any]) -> None:
        """`function` undoes an action of this name, when it is given the event of it.

        Where it is guarded itself, what it guards is called: no pause stops an undo, and it is
        told once, as a reversal.
        """
        if hasattr(function, ACTION):
            function = inspect.unwrap(function)
        self._functions[action] = function
        self._people.tail.start()

    def _hear(self, request: Request) -> None:
        """An order; called by the thread that reads."""
        if isinstance(request.order, Undo) and request.order.event.action in self._functions:
            self._orders.put(request)
            with self._starting:
                if self._worker is None:
                    worker = threading.Thread(target=self._work, name="andon-undo", daemon=True)
                    worker.start()
                    self._worker = worker

    def _work(self) -> None:
        while request := self._orders.get():
            order = request.order
            assert isinstance(order, Undo)
            # The log decides who does it, and whether there is still time; this only saves a word.
            if self._people.standing(order.request_id) is not Standing.APPROVED:
                continue
            if walk(self._people.claim(order.request_id)):
                self._people.send(self._done(order))

    def _done(self, order: Undo) -> Done:
        """Carry it out; never raises."""
        report: dict[str, Any] = {
            "request_id": order.request_id,
            "workflow": order.workflow,
            "guard": self._people.guard_id(),
        }
        try:
            _call(self._functions[order.event.action], order.event)
        except BaseException as error:
            log.error("undo of %s failed", order.event.event_id, exc_info=error)
            return Done(**report, outcome="error", reason=text(told(error), REASON_MAX))
        event = self._recorder.reversal(
            order.event.event_id,
            By.HUMAN,
            order.event.capability,
            order.event.action,
            {
                "target": order.event.target,
                "value": order.event.value,
                "currency": order.event.currency,
                "reason": f"{order.issued_by.removeprefix('user:')}: {order.reason}",
                "decision": {"decided": {"undo": order.request_id, "by": order.issued_by}},
            },
        )
        self._recorder.emit(event)
        self._outbox.flush(RECORDED_S)
        return Done(**report, outcome="success", event_id=event["event_id"])


def _call(function: Callable[[Event], Any], event: Event) -> None:
    result = function(event)
    if inspect.isawaitable(result):
        asyncio.run(_await(result))


async def _await(result: Any) -> None:
    await result
