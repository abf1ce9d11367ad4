"""Either authority may stop: an action runs where its workflow and all its scopes let it."""

from __future__ import annotations

import os
from typing import Any

import pytest

from andon import BreakerOpen, Guard, MemoryTransport, Outcome, State
from andon.breaker import Breaker
from tests.andon.guarding import REASON, Bench, bench, command


def stop(desk: Bench, scope: str, state: State = State.FORCED_OPEN, **more: Any) -> None:
    """Returns once the guard obeys."""
    generation = more.pop("generation", len(desk.stream.log) + 1)
    desk.stream.command(command(scope, generation, state, **more))


def runs(desk: Bench, **fields: Any) -> bool:
    try:
        with desk.guard.attempt("transact", "refund.create", **fields):
            return True
    except BreakerOpen:
        return False


@pytest.mark.parametrize("scope", ["andon:all", "andon:automation:refund-bot"])
def test_what_stops_the_guard_whole(scope: str) -> None:
    with bench() as desk:
        desk.guard.check()
        stop(desk, scope)
        assert not runs(desk)
        with pytest.raises(BreakerOpen):
            desk.guard.check()
        stop(desk, scope, State.CLOSED)
        assert runs(desk)
        desk.guard.check()


def test_the_refusal_names_the_scope_and_how_to_let_it_go() -> None:
    with bench() as desk:
        stop(desk, "andon:target:stripe", generation=7)
        with (
            pytest.raises(BreakerOpen, match=r"^target stripe is paused since .*") as caught,
            desk.guard.attempt("transact", "refund.create", target="stripe"),
        ):
            pass
        error = caught.value
        assert (error.workflow, error.reason, error.generation) == (
            *("andon:target:stripe", REASON),
            7,
        )
        assert 'andon reset andon:target:stripe --reason "why it is safe"' in str(error)
        event = desk.event()
        assert (event.workflow, event.outcome) == ("refunds", Outcome.DENIED)
        assert event.reason == "target stripe paused, generation 7"


def test_a_target_stops_what_acts_on_it_alone() -> None:
    with bench() as desk:
        stop(desk, "andon:target:stripe")
        assert not runs(desk, target="stripe")
        assert runs(desk, target="stripe2")
        assert runs(desk)
        desk.guard.check()


def test_a_target_may_be_many_by_globs_that_its_command_carries() -> None:
    with bench() as desk:
        stop(desk, "andon:target:stripe", targets=["ch_*", "pi_*"])
        assert [runs(desk, target=target) for target in ("ch_1", "pi_2", "stripe", "acme")] == [
            *(False, False),
            *(True, True),
        ]


def test_a_name_of_a_target_is_no_glob() -> None:
    with bench() as desk:
        stop(desk, "andon:target:*")
        assert runs(desk, target="ch_1")
        assert not runs(desk, target="*")


@pytest.mark.parametrize("label", [None, "customer"])
def test_a_tenant_stops_what_bears_its_label(label: str | None) -> None:
    with bench(tenant_label=label) as desk:
        stop(desk, "andon:tenant:7")
        name = label or "tenant"
        assert not runs(desk, labels={name: "7"})
        assert not runs(desk, labels={name: 7})
        assert runs(desk, labels={name: "8"})
        assert runs(desk, labels={"other": "7"})
        assert runs(desk)


def test_what_concerns_others_is_neither_obeyed_nor_answered() -> None:
    with bench() as desk:
        with desk.stream.changed:
            desk.stream.log.append(command("andon:automation:other", 1, State.FORCED_OPEN))
        stop(desk, "andon:tenant:acme")
        assert {ack.workflow for ack in desk.stream.acks} == {"andon:tenant:acme"}
        assert runs(desk)


def test_either_authority_may_stop_and_neither_lets_the_other_go() -> None:
    with bench() as desk:
        stop(desk, "andon:all", generation=1)
        desk.obey(State.OPEN, 1)
        stop(desk, "andon:all", State.CLOSED, generation=2)
        assert not runs(desk)
        stop(desk, "andon:all", generation=3)
        desk.obey(State.CLOSED, 2)
        assert not runs(desk)
        stop(desk, "andon:all", State.CLOSED, generation=4)
        assert runs(desk)
        assert desk.guard.state == Breaker(State.CLOSED, 2)


def test_a_scope_is_answered_under_its_own_name() -> None:
    with bench() as desk:
        with desk.guard.attempt("transact", "refund.create"):
            stop(desk, "andon:all", generation=3)
        (ack,) = desk.stream.acks
        assert (ack.workflow, ack.generation, ack.in_flight) == ("andon:all", 3, 1)
        assert (ack.guard, ack.automation) == (desk.guard.id, "refund-bot")


def test_an_older_command_changes_nothing() -> None:
    with bench() as desk:
        stop(desk, "andon:all", generation=2)
        with desk.stream.changed:
            desk.stream.log.append(command("andon:all", 1, State.CLOSED))
        stop(desk, "andon:tenant:acme", generation=1)  # heard after it
        assert not runs(desk)


def test_a_guard_that_starts_late_learns_of_scopes_before_its_first_action() -> None:
    stream = MemoryTransport()
    for generation, state in enumerate([State.FORCED_OPEN, State.CLOSED, State.FORCED_OPEN], 1):
        stream.log.append(command("andon:all", generation, state))
    with Guard("refunds", "refund-bot", transport=stream, fail="closed") as guard:
        with pytest.raises(BreakerOpen), guard.attempt("transact", "refund.create"):
            pass
        assert guard.flush(5)
        assert [ack.generation for ack in stream.acks] == [3]


def test_on_trial_a_scope_has_permits_of_its_own() -> None:
    with bench() as desk:
        stop(desk, "andon:target:stripe", State.HALF_OPEN, permits=1)
        desk.obey(State.HALF_OPEN, permits=3)
        assert runs(desk, target="stripe")  # takes one of each
        assert not runs(desk, target="stripe")  # takes none of the workflow's
        assert [runs(desk) for _ in range(3)] == [True, True, False]


def test_a_forked_child_obeys_its_scopes() -> None:
    with bench() as desk:
        stop(desk, "andon:all")
        if (child := os.fork()) == 0:
            os._exit(0 if not runs(desk) else 1)
        assert os.waitpid(child, 0)[1] == 0


def test_a_target_that_cannot_be_told_is_in_no_scope() -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("no")

    with bench() as desk:
        stop(desk, "andon:target:stripe")
        assert runs(desk, target=Odd())
