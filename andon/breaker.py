"""The breaker of one workflow: a transition table without a clock and without I/O.

States bear resilience4j's names. To people CLOSED is Running, OPEN is Paused and HALF_OPEN is
On trial.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from andon.errors import TransitionError


class State(StrEnum):
    """What a guard does with the next action of its workflow."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"
    FORCED_OPEN = "FORCED_OPEN"
    METRICS_ONLY = "METRICS_ONLY"
    DISABLED = "DISABLED"

    @property
    def refuses(self) -> bool:
        """True where a guard must refuse every action."""
        return self in (State.OPEN, State.FORCED_OPEN)

    @property
    def label(self) -> str:
        """The word for people."""
        return _LABELS[self]


_LABELS = {
    State.CLOSED: "Running",
    State.OPEN: "Paused",
    State.HALF_OPEN: "On trial",
    State.FORCED_OPEN: "Paused by hand",
    State.METRICS_ONLY: "Shadow",
    State.DISABLED: "Not watched",
}


class Authority(StrEnum):
    """Who may move a breaker. An automation is none of them: it can never release itself."""

    MONITOR = "monitor"
    PERSON = "person"


class Cause(StrEnum):
    """Why a breaker moves."""

    DETECTION = "detection"  # a rule in mode enforce crossed its bound
    WAITED = "waited"  # `recover.after` is over
    PASSED = "passed"  # the trial saw enough good actions
    LIMITED = "limited"  # it did, and the policy has it run at a limited rate first
    ELAPSED = "elapsed"  # `recover.slow.for` is over
    TRIP = "trip"  # a person pauses
    RESET = "reset"  # a person lets it run again, on trial where the policy has one
    RELEASE = "release"  # a person lets it run again, without a trial
    SHADOW = "shadow"  # a person lets detections be told, but pause nothing
    DISABLE = "disable"  # a person has it watched no more


MAY_BRING: dict[Cause, Authority] = {
    Cause.DETECTION: Authority.MONITOR,
    Cause.WAITED: Authority.MONITOR,
    Cause.PASSED: Authority.MONITOR,
    Cause.LIMITED: Authority.MONITOR,
    Cause.ELAPSED: Authority.MONITOR,
    Cause.TRIP: Authority.PERSON,
    Cause.RESET: Authority.PERSON,
    Cause.RELEASE: Authority.PERSON,
    Cause.SHADOW: Authority.PERSON,
    Cause.DISABLE: Authority.PERSON,
}
"""The one who may bring a cause about."""

TRANSITIONS: dict[tuple[State, Cause], State] = {
    (State.CLOSED, Cause.DETECTION): State.OPEN,
    (State.CLOSED, Cause.TRIP): State.FORCED_OPEN,
    (State.OPEN, Cause.TRIP): State.FORCED_OPEN,
    (State.OPEN, Cause.WAITED): State.HALF_OPEN,
    (State.OPEN, Cause.RESET): State.HALF_OPEN,
    (State.OPEN, Cause.RELEASE): State.CLOSED,
    (State.HALF_OPEN, Cause.DETECTION): State.OPEN,
    (State.HALF_OPEN, Cause.PASSED): State.CLOSED,
    (State.HALF_OPEN, Cause.LIMITED): State.HALF_OPEN,
    (State.HALF_OPEN, Cause.ELAPSED): State.CLOSED,
    (State.HALF_OPEN, Cause.TRIP): State.FORCED_OPEN,
    (State.HALF_OPEN, Cause.RELEASE): State.CLOSED,
    (State.FORCED_OPEN, Cause.RESET): State.HALF_OPEN,
    (State.FORCED_OPEN, Cause.RELEASE): State.CLOSED,
    (State.METRICS_ONLY, Cause.TRIP): State.FORCED_OPEN,
    (State.METRICS_ONLY, Cause.RELEASE): State.CLOSED,
    (State.METRICS_ONLY, Cause.DISABLE): State.DISABLED,
    (State.DISABLED, Cause.TRIP): State.FORCED_OPEN,
    (State.DISABLED, Cause.RELEASE): State.CLOSED,
    (State.DISABLED, Cause.SHADOW): State.METRICS_ONLY,
    (State.CLOSED, Cause.SHADOW): State.METRICS_ONLY,
    (State.CLOSED, Cause.DISABLE): State.DISABLED,
}


class Breaker(NamedTuple):
    """Where one workflow stands. `generation` counts its state changes: the fencing token."""

    state: State = State.CLOSED
    generation: int = 0

    def step(self, cause: Cause, by: Authority) -> Breaker:
        """The breaker after `cause`, which `by` brought about.

        Raises:
            TransitionError: the table has no such transition from this state, or another must
                bring it about.
        """
        if MAY_BRING[cause] is not by:
            raise TransitionError(f"{cause} is for the {MAY_BRING[cause]}, not for the {by}")
        after = TRANSITIONS.get((self.state, cause))
        if after is None:
            raise TransitionError(
                f"{self.state} ({self.state.label}) has no transition for {cause}"
            )
        return Breaker(after, self.generation + 1)

    def can(self, cause: Cause) -> bool:
        """True where the table has a transition for `cause` from this state."""
        return (self.state, cause) in TRANSITIONS
