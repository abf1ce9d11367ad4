"""The permits of a trial: how many actions each guard of a workflow may run in one period.

A command's `permits` are for all guards together, anew in each `permits_every_s`. The monitor,
which knows from heartbeats who lives, deals them out on `andon.permits`. Of two deals of one period
the first in the log holds, so that they never add up, whoever deals.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import Field

from andon.commands import Command, Record
from andon.events import Name, Timestamp

EVERY_S = 60
"""The period of a command that names none."""


class Permits(Record):
    """What each guard may run on trial until the next period begins; what is left then lapses."""

    workflow: Name
    generation: Annotated[int, Field(ge=1)]
    period: Annotated[int, Field(ge=0)] = Field(
        description="counted from the time when the broker took the command"
    )
    grants: dict[str, Annotated[int, Field(ge=0)]] = Field(description="actions, by guard")
    at: Timestamp
    signature: str | None = None

    @property
    def place(self) -> tuple[int, int]:
        """Generation and period: a higher one is newer."""
        return self.generation, self.period


def every_s(command: Command) -> int:
    """The length of a period, in seconds."""
    return command.permits_every_s or EVERY_S


def period_of(command: Command, taken_at: datetime, now: datetime) -> int:
    """The number of the period that is now; `taken_at` is when the broker took the command."""
    return max(0, int((now - taken_at).total_seconds() // every_s(command)))


def deal(permits: int, wants: Mapping[str, int]) -> dict[str, int]:
    """Shares that add up to `permits`, or to nothing where nobody is there to take them.

    One each, to those first that wanted most in vain; the rest in equal shares to those that
    wanted any, or to all where none did.

    Args:
        permits: to be dealt.
        wants: the guards, and how many actions each has turned away for want of a permit.
    """
    first = sorted(wants, key=lambda guard: (-wants[guard], guard))[:permits]
    grants = dict.fromkeys(first, 1)
    takers = [guard for guard in first if wants[guard]] or first
    if takers:
        share, left = divmod(permits - len(first), len(takers))
        for place, guard in enumerate(takers):
            grants[guard] += share + (place < left)
    return grants
