"""Actuators pull the second lever: they stop what does not obey its guard, from outside.

One small file each: a settings model whose `request` says what pauses and what resumes. A new one
is a sibling file, and a line in `streams.routes`. To the dispatcher an actuator is a receiver, so
order within a workflow, retries and once over restarts are the same as for alerts.
"""

from __future__ import annotations

from typing import Protocol

from andon.commands import Alert
from streams.receivers import Delivery, Retry
from streams.web import Request, client, judge, send


class Lever(Protocol):
    """What one kind of actuator has to know."""

    timeout_s: float

    def request(self, alert: Alert, *, pause: bool) -> Request:
        """What has to be sent; the same request may be sent again and must do no more then."""
        ...


def pulls(alert: Alert) -> bool:
    """Whether the lever is to be pulled; otherwise it is to be let go."""
    return alert.kind == "not_obeyed"


class Actuator:
    """Pulls its lever for one alert, and lets it go for another."""

    at_once = 4

    def __init__(self, name: str, lever: Lever) -> None:
        self.name = name
        self._lever = lever
        self._client = client()

    async def deliver(self, alert: Alert) -> Delivery:
        request = self._lever.request(alert, pause=pulls(alert))
        answer = await send(self._client, request, self._lever.timeout_s)
        return answer if isinstance(answer, Retry) else judge(answer)

    async def close(self) -> None:
        await self._client.aclose()
