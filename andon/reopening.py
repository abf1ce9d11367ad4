"""When it takes two people to let a workflow go again, and what the one asks of the other.

A command carries on when people last let its workflow go, and for how long after it that takes
two: so the last command, which is all that compaction may leave, decides by itself.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from andon.breaker import Cause, State
from andon.commands import Command, Record
from andon.events import Name, Timestamp
from andon.quantities import format_duration

EXPIRES_S = 900
ACTION = "reopen"
WAY_BACK = {State.OPEN, State.FORCED_OPEN, State.HALF_OPEN}
LETTING_GO = {Cause.RESET, Cause.RELEASE}


class Reopening(Record):
    """What one person asks another to approve, and what is carried out then."""

    workflow: Name
    generation: Annotated[int, Field(ge=1)]
    state: State = Field(description="of the breaker now")
    cause: Literal[Cause.RESET, Cause.RELEASE]
    permits: Annotated[int, Field(ge=1)] | None
    reason: str
    let_go_at: Timestamp = Field(description="when people did so the last time")
    let_go_by: list[str]

    @property
    def arguments(self) -> str:
        """What an Ask shows to people."""
        return self.model_dump_json()

    @property
    def digest(self) -> str:
        """SHA-256 of the arguments."""
        return hashlib.sha256(self.arguments.encode()).hexdigest()


def lets_go(state: State, cause: Cause) -> bool:
    """Whether a person lets go what is paused, or on trial."""
    return state in WAY_BACK and cause in LETTING_GO


def needs_second_person(last: Command, cause: Cause, now: datetime) -> bool:
    """Whether it takes two people to bring `cause` about, after the last command.

    To lift a trial that people began is no second time, as long as no pause came between.
    """
    reopened = last.reopened
    if reopened is None or last.second_person_s is None or not lets_go(last.state, cause):
        return False
    if last.state is State.HALF_OPEN and last.generation <= reopened.generation + 1:
        return False  # their trial, or the limited rate that directly follows it
    return now < reopened.at + timedelta(seconds=last.second_person_s)


def why(last: Command) -> str:
    """What is told to those who have to find a second person."""
    assert last.reopened is not None
    assert last.second_person_s is not None
    people = " and ".join(each.removeprefix("user:") for each in last.reopened.by)
    at, within = f"{last.reopened.at:%Y-%m-%d %H:%M:%S} UTC", format_duration(last.second_person_s)
    return f"{people} let it go at {at}, and within {within} it takes two people to do so again"
