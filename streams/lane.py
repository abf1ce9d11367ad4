"""One receiver's alerts: in order within a workflow, side by side across workflows, with retries.

A lane knows nothing of Kafka. It holds at most `WAITING_MAX` alerts, so that a receiver that is
down for long costs the others nothing.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from andon.alert_text import alert_text
from andon.commands import Alert
from streams.receivers import Delivered, Delivery, Failed, Receiver, Retry

log = logging.getLogger(__name__)

WAITING_MAX = 10_000
SETTLED_MAX = 10_000

Count = Callable[[str, str], None]
"""Told (receiver, result) of every attempt; result is delivered, retried or failed."""


class Patience(NamedTuple):
    """How an alert is tried again: waits double from the first to the longest, then it is over."""

    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    give_up_after_s: float = 3600.0

    def wait_s(self, attempts: int, after_s: float | None) -> float:
        """Half to all of the doubled wait, or what the other side asked for where that is more."""
        doubled = self.first_wait_s * 2.0 ** min(attempts - 1, 30)
        return max(min(doubled, self.longest_wait_s) * random.uniform(0.5, 1), after_s or 0)


class Outcome(NamedTuple):
    """How the delivery of one alert to one receiver ended; `failure` is None where it was taken."""

    receiver: str
    alert: Alert
    attempts: int
    failure: str | None


class Lane:
    """Carries alerts to one receiver. An alert that it has, or had, it takes no second time."""

    def __init__(self, receiver: Receiver, patience: Patience, count: Count) -> None:
        self.name = receiver.name
        self._receiver = receiver
        self._patience = patience
        self._count = count
        self._slots = asyncio.Semaphore(receiver.at_once)
        self._under_way: dict[str, asyncio.Task[Outcome]] = {}
        self._newest: dict[str, asyncio.Task[Outcome]] = {}
        self._settled: dict[str, None] = {}

    def send(self, alert: Alert) -> asyncio.Task[Outcome] | None:
        """Start a delivery, to be carried out after those of the same workflow before it.

        None where the lane knows the alert already. Cancelling the task forgets the alert.
        """
        if alert.alert_id in self._settled or alert.alert_id in self._under_way:
            return None
        if len(self._under_way) < WAITING_MAX:
            before = self._newest.get(alert.workflow)
            task = self._newest[alert.workflow] = asyncio.create_task(self._carry(alert, before))
        else:
            task = asyncio.create_task(self._refuse(alert))
        self._under_way[alert.alert_id] = task
        task.add_done_callback(partial(self._ended, alert))
        return task

    def remember(self, alert_id: str) -> None:
        """Take the alert as settled: it was, before this lane began."""
        self._settled[alert_id] = None
        if len(self._settled) > SETTLED_MAX:
            del self._settled[next(iter(self._settled))]

    def _ended(self, alert: Alert, task: asyncio.Task[Outcome]) -> None:
        del self._under_way[alert.alert_id]
        if self._newest.get(alert.workflow) is task:
            del self._newest[alert.workflow]
        if not task.cancelled():
            self.remember(alert.alert_id)

    async def _carry(self, alert: Alert, before: asyncio.Task[Outcome] | None) -> Outcome:
        if before is not None:
            await asyncio.wait([before])
        now = asyncio.get_running_loop().time
        over_at = now() + self._patience.give_up_after_s
        attempts = 0
        while True:
            attempts += 1
            delivery = await self._attempt(alert)
            if isinstance(delivery, Delivered):
                return self._close(alert, attempts, None)
            if isinstance(delivery, Failed):
                return self._close(alert, attempts, delivery.reason)
            left_s = over_at - now()
            if left_s <= 0:
                gave_up = f"gave up after {self._patience.give_up_after_s:g} s"
                return self._close(alert, attempts, f"{gave_up}, at last: {delivery.reason}")
            wait_s = min(self._patience.wait_s(attempts, delivery.after_s), left_s)
            self._count(self._receiver.name, "retried")
            log.warning(
                "receiver %s did not take alert %s at attempt %d: %s; next in %.1f s",
                *(self._receiver.name, alert.alert_id, attempts, delivery.reason, wait_s),
            )
            await asyncio.sleep(wait_s)

    async def _refuse(self, alert: Alert) -> Outcome:
        return self._close(alert, 0, f"{WAITING_MAX:,} alerts wait for it already")

    async def _attempt(self, alert: Alert) -> Delivery:
        async with self._slots:
            try:
                return await self._receiver.deliver(alert)
            except Exception as error:
                log.exception("receiver %s broke on alert %s", self._receiver.name, alert.alert_id)
                return Retry(f"{type(error).__name__}: {error}")

    def _close(self, alert: Alert, attempts: int, failure: str | None) -> Outcome:
        self._count(self._receiver.name, "failed" if failure else "delivered")
        if failure:
            # The last place where a person may still find it: whole, and loud.
            log.error(
                "ALERT NOT DELIVERED to %s: %s\n%s",
                *(self._receiver.name, failure, alert_text(alert)),
            )
        return Outcome(self._receiver.name, alert, attempts, failure)
