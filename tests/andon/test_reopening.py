"""When it takes two people, as a function of the last command and the time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from andon.breaker import Cause, State
from andon.commands import Command, Reopened
from andon.reopening import needs_second_person, why
from tests.andon.guarding import NOON, command

HOUR = timedelta(hours=1)


def last(state: State, generation: int = 5, **more: Any) -> Command:
    """One after people let the workflow go at noon, as generation 3."""
    told = {
        "reopened": Reopened(at=NOON, by=["user:ana", "user:bob"], generation=3),
        "second_person_s": 3600,
    }
    return command("refunds", generation, state, **(told | more))


@pytest.mark.parametrize(
    ("now", "needed"),
    [
        (NOON, True),
        (NOON + HOUR - timedelta(microseconds=1), True),
        (NOON + HOUR, False),
        (NOON - HOUR, True),  # a clock that is behind lets nobody go alone
    ],
)
def test_the_time_ends_exactly(now: datetime, needed: bool) -> None:
    assert needs_second_person(last(State.OPEN), Cause.RESET, now) is needed


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("cause", Cause)
def test_it_is_about_people_who_let_go_what_is_paused_or_on_trial(
    state: State, cause: Cause
) -> None:
    paused = state in (State.OPEN, State.FORCED_OPEN, State.HALF_OPEN)
    by_people = cause in (Cause.RESET, Cause.RELEASE)
    assert needs_second_person(last(state), cause, NOON) is (paused and by_people)


@pytest.mark.parametrize("unknown", [{"reopened": None}, {"second_person_s": None}])
def test_nobody_else_is_asked_where_it_was_not_let_go_or_no_policy_says_so(
    unknown: dict[str, None],
) -> None:
    assert not needs_second_person(last(State.OPEN, **unknown), Cause.RESET, NOON)


@pytest.mark.parametrize(("generation", "needed"), [(3, False), (4, False), (5, True)])
def test_a_person_may_lift_the_trial_that_people_began(generation: int, needed: bool) -> None:
    """Generation 4 is the limited rate that follows theirs; at 5 a pause came between."""
    on_trial = last(State.HALF_OPEN, generation)
    assert needs_second_person(on_trial, Cause.RELEASE, NOON) is needed


def test_it_says_who_and_when_and_for_how_long() -> None:
    assert why(last(State.OPEN)) == (
        "ana and bob let it go at 2026-11-23 12:00:00 UTC, and within 1h it takes two people to "
        "do so again"
    )
