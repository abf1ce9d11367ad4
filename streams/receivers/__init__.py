"""Receivers take alerts to people. One small file each, all with the protocol below.

A new one is a sibling file with a `Receiver` and a `Settings` model, and a line in
`streams.routes`. It needs no retries, order or dedup of its own: the dispatcher has them.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from andon.commands import Alert


class Delivered(NamedTuple):
    """The receiver took the alert."""


class Retry(NamedTuple):
    """Not now; worth another attempt, no sooner than `after_s` where the other side named it."""

    reason: str
    after_s: float | None = None


class Failed(NamedTuple):
    """Never; another attempt would end the same."""

    reason: str


Delivery = Delivered | Retry | Failed


class Receiver(Protocol):
    """Takes one alert at a time of a workflow, and those of `at_once` workflows side by side."""

    name: str
    at_once: int

    async def deliver(self, alert: Alert) -> Delivery:
        """One attempt. The same alert may come again: `alert_id` tells that it is the same."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
