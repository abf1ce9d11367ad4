"""Where one workflow stands, and that as a row of a snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from andon.breaker import Breaker, State
from andon.commands import Command, Reopened
from andon.policy import Policy
from detectors.plan import MICRO
from detectors.times import micros


@dataclass(slots=True)
class Standing:
    """One workflow that is not, or was not always, simply running."""

    breaker: Breaker
    since_us: int
    policy: Policy | None
    passed: int = 0  # good actions of this trial
    leaked_actions: int = 0  # executed although paused
    trips: int | None = None  # pauses in a row, as its last command says
    limited_until_us: int | None = None  # the trial is passed, and the rate is limited
    reopened: Reopened | None = None  # by people, as its last command says

    @classmethod
    def told(cls, command: Command, breaker: Breaker, policy: Policy | None) -> Standing:
        """As a command says."""
        limited_until = command.limited_until
        return cls(
            *(breaker, micros(command.issued_at), policy),
            trips=command.trips,
            limited_until_us=None if limited_until is None else micros(limited_until),
            reopened=command.reopened,
        )

    @property
    def due_us(self) -> int | None:
        """When a paused workflow may be tried again; None when only a person may say so."""
        if self.breaker.state is not State.OPEN or self.policy is None:
            return None
        wait_s = self.policy.recover.wait_s(self.trips or 1)
        return None if wait_s is None else self.since_us + wait_s * MICRO

    def trips_at(self, ts_us: int, policy: Policy) -> int | None:
        """Which pause in a row one is that begins now, by a rule of `policy`."""
        healthy_us = ts_us - self.since_us if self.breaker.state is State.CLOSED else 0
        return policy.recover.trips(self.trips or 0, healthy_us / MICRO)

    def dump(self) -> tuple[Any, ...]:
        """All of it, ready for JSON."""
        return (
            *self.breaker,
            self.since_us,
            self.policy and self.policy.name,
            self.passed,
            self.leaked_actions,
            self.trips,
            self.limited_until_us,
            self.reopened and self.reopened.model_dump(mode="json"),
        )

    @classmethod
    def load(cls, row: Sequence[Any], policies: Mapping[str, Policy]) -> Standing:
        """As told by `dump`, also by one that knew of fewer things."""
        state, generation, since_us, policy, *rest = row
        breaker = Breaker(State(state), generation)
        standing = cls(breaker, since_us, policies.get(policy), *rest)
        if standing.reopened is not None:
            standing.reopened = Reopened.model_validate(standing.reopened)
        return standing
