"""What the guard's tests share: commands as a monitor or a person would write them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from andon import Event, Guard, MemoryTransport, State
from andon.commands import Command, Reason
from andon.ids import derived_id

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
REASON = "7.1% of refunds reversed in 24h, bound 5%"


def command(workflow: str, generation: int, state: State, **more: Any) -> Command:
    """One that the monitor might issue at noon."""
    fields: dict[str, Any] = {
        "command_id": derived_id("command", workflow, generation),
        "workflow": workflow,
        "generation": generation,
        "state": state,
        "reason": Reason(text=REASON),
        "issued_at": NOON,
        "issued_by": "monitor",
    }
    return Command(**(fields | more))


class Bench:
    """A guard of `refunds` on a stream in memory."""

    def __init__(self, stream: MemoryTransport | None = None, **settings: Any) -> None:
        self.stream = stream or MemoryTransport()
        self.guard = Guard("refunds", "refund-bot", transport=self.stream, **settings)

    def obey(self, state: State, generation: int = 1, **more: Any) -> None:
        """Returns once the guard obeys."""
        self.stream.command(command("refunds", generation, state, **more))

    def events(self) -> list[Event]:
        """All events so far."""
        assert self.guard.flush(5)
        return self.stream.events

    def event(self) -> Event:
        """The one event so far."""
        (event,) = self.events()
        return event

    def counted(self, family: str) -> dict[str, int]:
        """The labels that were counted, of andon_guard_<family>_total."""
        counts = self.guard.stats()[f"andon_guard_{family}_total"]
        assert isinstance(counts, dict)
        return {label: n for label, n in counts.items() if n}


@contextmanager
def bench(**settings: Any) -> Iterator[Bench]:
    made = Bench(**settings)
    with made.guard:
        yield made
