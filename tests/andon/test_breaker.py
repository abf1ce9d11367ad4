from __future__ import annotations

from itertools import pairwise, product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.breaker import MAY_BRING, TRANSITIONS, Authority, Breaker, Cause, State
from andon.breaker_diagram import written_into
from andon.errors import TransitionError

REFUSING = {State.OPEN, State.FORCED_OPEN}
PEOPLE = {cause for cause, who in MAY_BRING.items() if who is Authority.PERSON}
CAUSES = st.lists(st.sampled_from(Cause), max_size=40)


def walk(causes: list[Cause]) -> list[Breaker]:
    """Every breaker on the way, from the first on; causes without a transition change nothing."""
    way = [Breaker()]
    for cause in causes:
        if way[-1].can(cause):
            way.append(way[-1].step(cause, MAY_BRING[cause]))
    return way


@pytest.mark.parametrize(("state", "cause"), list(product(State, Cause)))
def test_steps_exactly_as_the_table_says(state: State, cause: Cause) -> None:
    breaker = Breaker(state, 7)
    if (state, cause) in TRANSITIONS:
        assert breaker.can(cause)
        assert breaker.step(cause, MAY_BRING[cause]) == Breaker(TRANSITIONS[state, cause], 8)
    else:
        assert not breaker.can(cause)
        with pytest.raises(TransitionError, match=state):
            breaker.step(cause, MAY_BRING[cause])


@pytest.mark.parametrize(("state", "cause"), list(TRANSITIONS))
def test_nobody_moves_it_but_who_may(state: State, cause: Cause) -> None:
    for by in set(Authority) - {MAY_BRING[cause]}:
        with pytest.raises(TransitionError, match=f"not for the {by}"):
            Breaker(state).step(cause, by)


def test_an_automation_is_no_authority() -> None:
    assert set(MAY_BRING.values()) == set(Authority) == {"monitor", "person"}
    assert set(MAY_BRING) == set(Cause)


def test_the_docs_show_the_table_as_it_is() -> None:
    page = (Path(__file__).parents[2] / "docs" / "breaker.md").read_text()
    assert written_into(page) == page, "run `python -m andon.breaker_diagram`"
    assert page.count(" --> ") == len(TRANSITIONS) + 1


def test_only_a_state_that_is_paused_refuses() -> None:
    assert {state for state in State if state.refuses} == REFUSING


def test_a_person_can_pause_whatever_is_not_paused_by_hand() -> None:
    pausable = {state for state in State if Breaker(state).can(Cause.TRIP)}
    assert pausable == set(State) - {State.FORCED_OPEN}
    for state in pausable:
        assert Breaker(state).step(Cause.TRIP, MAY_BRING[Cause.TRIP]).state is State.FORCED_OPEN


def test_a_person_can_release_whatever_is_paused_or_on_trial() -> None:
    for state in (*REFUSING, State.HALF_OPEN):
        assert Breaker(state).step(Cause.RELEASE, MAY_BRING[Cause.RELEASE]).state is State.CLOSED


def test_only_a_person_ends_a_pause_made_by_hand() -> None:
    ends = {cause for cause in Cause if Breaker(State.FORCED_OPEN).can(cause)}
    assert ends
    assert ends <= PEOPLE


def test_nothing_ends_a_pause_but_a_person_or_the_wait_of_the_policy() -> None:
    ends = {
        cause
        for (state, cause), after in TRANSITIONS.items()
        if state in REFUSING and after not in REFUSING
    }
    assert ends == {Cause.WAITED, Cause.RESET, Cause.RELEASE}


def test_the_wait_leads_to_a_trial_and_not_past_it() -> None:
    assert Breaker(State.OPEN).step(Cause.WAITED, MAY_BRING[Cause.WAITED]).state is State.HALF_OPEN
    assert [state for state in State if Breaker(state).can(Cause.PASSED)] == [State.HALF_OPEN]


def test_a_limited_rate_goes_on_in_the_state_of_a_trial_and_only_time_ends_it_well() -> None:
    trial = Breaker(State.HALF_OPEN, 2)
    limited = trial.step(Cause.LIMITED, MAY_BRING[Cause.LIMITED])
    assert limited == Breaker(State.HALF_OPEN, 3)
    assert limited.step(Cause.ELAPSED, MAY_BRING[Cause.ELAPSED]) == Breaker(State.CLOSED, 4)
    assert {MAY_BRING[cause] for cause in (Cause.LIMITED, Cause.ELAPSED)} == {Authority.MONITOR}


def test_a_detection_on_trial_pauses_again() -> None:
    assert (
        Breaker(State.HALF_OPEN).step(Cause.DETECTION, MAY_BRING[Cause.DETECTION]).state
        is State.OPEN
    )


@pytest.mark.parametrize("state", [State.METRICS_ONLY, State.DISABLED])
def test_a_detection_pauses_no_workflow_that_is_not_enforced(state: State) -> None:
    assert not Breaker(state).can(Cause.DETECTION)


@given(CAUSES)
def test_the_generation_counts_state_changes(causes: list[Cause]) -> None:
    way = walk(causes)
    assert [breaker.generation for breaker in way] == list(range(len(way)))
    for before, after in pairwise(way):
        assert before.state is not after.state or after.state is State.HALF_OPEN


@given(CAUSES)
def test_from_anywhere_people_can_pause_and_then_let_it_run(causes: list[Cause]) -> None:
    breaker = walk(causes)[-1]
    if breaker.can(Cause.TRIP):
        breaker = breaker.step(Cause.TRIP, MAY_BRING[Cause.TRIP])
    assert breaker.state.refuses
    assert breaker.step(Cause.RELEASE, MAY_BRING[Cause.RELEASE]).state is State.CLOSED


def test_every_state_has_a_word_for_people() -> None:
    assert len({state.label for state in State}) == len(State)
    assert (State.CLOSED.label, State.OPEN.label, State.HALF_OPEN.label) == (
        "Running",
        "Paused",
        "On trial",
    )
