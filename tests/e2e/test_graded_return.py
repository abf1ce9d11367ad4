"""A workflow comes back step by step, with any number of guards, and relapses for longer."""

from __future__ import annotations

from contextlib import ExitStack

from andon.breaker import Cause, State
from andon.permits import Permits
from andon.topics import PERMITS
from tests.andon.streaming import until
from tests.e2e.harness import Automation, Kafka, Monitor, Unique, andon

TRIAL_PERMITS, SLOW_PERMITS = 4, 6


def dealt(kafka: Kafka, workflow: str, generation: int) -> list[Permits]:
    """What the monitor has dealt out in one phase."""
    values = [record.value for record in kafka.read(PERMITS) if record.key == workflow.encode()]
    found = [Permits.model_validate_json(value) for value in values]
    return [permits for permits in found if permits.generation == generation]


def test_three_guards_share_the_permits_of_each_period_and_then_run_freely(
    kafka: Kafka, monitor: Monitor, unique: Unique
) -> None:
    workflow = unique("graded")
    with ExitStack() as stack:
        guards = [stack.enter_context(Automation(kafka, workflow)) for _ in range(3)]
        until(lambda: len({beat.guard for beat in kafka.heartbeats(workflow)}) == 3, "three guards")
        assert guards[0].refund(100) == "done"
        until(lambda: guards[1].refund(1).startswith("refused"), "the pause")
        ran: dict[int, int] = {}

        def generation() -> int:
            return kafka.commands(workflow)[-1].generation

        def probe(past: int) -> bool:
            """One attempt of each guard; what ran is counted under the phase before and after."""
            phase = generation()
            done = sum(guard.refund(0.01) == "done" for guard in guards)
            ran[phase] = ran.get(phase, 0) + done
            return generation() > past

        andon(kafka, "reset", workflow, "--reason", "fixed", "--permits", str(TRIAL_PERMITS))
        until(lambda: probe(2), "the trial to be passed")
        until(lambda: probe(3), "the limited rate to end")
        trial, limited, free = kafka.commands(workflow)[1:]
        assert [trial.cause, limited.cause, free.cause] == [
            Cause.RESET,
            Cause.LIMITED,
            Cause.ELAPSED,
        ]
        assert limited.limited_until is not None
        assert free.issued_at >= limited.limited_until
        until(lambda: all(guard.refund(0.01) == "done" for guard in guards), "all to run freely")

        for command, permits in ((trial, TRIAL_PERMITS), (limited, SLOW_PERMITS)):
            deals = dealt(kafka, workflow, command.generation)
            assert deals
            periods = [deal.period for deal in deals]
            assert sorted(set(periods)) == periods, "one deal a period"
            assert {sum(deal.grants.values()) for deal in deals} == {permits}
            assert max(len(deal.grants) for deal in deals) == 3
        # The round in which a phase ends may run under the next one's permits.
        assert 3 <= ran[2] <= TRIAL_PERMITS + SLOW_PERMITS
        assert ran[3] <= SLOW_PERMITS * (len(dealt(kafka, workflow, 3)) + 1)

        guards[0].refund(100)
        until(lambda: guards[1].refund(0.01).startswith("refused"), "the relapse")
    relapse = kafka.commands(workflow)[-1]
    assert (relapse.state, relapse.trips) == (State.OPEN, 2)
    assert "pause 2 in a row, tried again after 2h" in relapse.reason.text


def test_a_guard_that_dies_with_its_permits_does_not_hold_up_the_trial(
    kafka: Kafka, monitor: Monitor, unique: Unique
) -> None:
    workflow = unique("graded")
    with Automation(kafka, workflow) as survivor:
        with Automation(kafka, workflow) as victim:
            until(lambda: len({b.guard for b in kafka.heartbeats(workflow)}) == 2, "two guards")
            assert victim.refund(100) == "done"
            until(lambda: survivor.refund(1).startswith("refused"), "the pause")
            andon(kafka, "reset", workflow, "--reason", "fixed", "--permits", "2")
            until(lambda: dealt(kafka, workflow, 2), "the first deal")
            victim.kill()
        until(
            lambda: survivor.refund(0.01) and len(kafka.commands(workflow)) > 2,
            "the trial to be passed by the one that lives",
        )
    assert kafka.commands(workflow)[2].cause is Cause.LIMITED
