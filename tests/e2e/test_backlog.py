"""What a pause refuses comes back over a real broker: in order, at the rate of the policy."""

from __future__ import annotations

from itertools import pairwise

import pytest

from andon import Guard, Held, HeldCall, Outcome
from tests.andon.streaming import WAIT_S, events, until
from tests.e2e.harness import Kafka, Unique, andon

POLICY = {"name": "refunds", "recover": {"backlog": {"release": 2, "every": "1s"}}}
CALLS = 4


def test_held_calls_are_released_when_people_let_the_workflow_go(
    kafka: Kafka, unique: Unique
) -> None:
    workflow = unique("refunds")
    ran: list[int] = []
    with Guard(workflow, "refund-bot", bootstrap_servers=kafka.address, policy=POLICY) as guard:

        @guard.action("transact", "refund.create", value="amount", currency="USD", backlog=True)
        def refund(amount: int) -> None:
            ran.append(amount)

        def held(amount: int) -> HeldCall:
            with pytest.raises(Held) as refusal:
                refund(amount)
            return refusal.value.ticket

        assert guard.ready(WAIT_S)
        andon(kafka, "trip", workflow, "--reason", "too many")
        until(lambda: guard.state.state.refuses, "the pause")
        tickets = [held(amount) for amount in range(CALLS)]
        assert ran == []
        andon(kafka, "reset", workflow, "--now", "--reason", "fixed")
        assert {ticket.wait(WAIT_S) for ticket in tickets} == {"done"}
        assert ran == list(range(CALLS))
        assert guard.flush(WAIT_S)
    told = events(kafka.address, workflow)
    outcomes = [event.outcome for event in told]
    assert outcomes == [Outcome.DENIED] * CALLS + [Outcome.SUCCESS] * CALLS
    ids = [(event.labels or {})["andon_held"] for event in told]
    assert ids == [ticket.id for ticket in tickets] * 2
    gaps = [after.ts - before.ts for before, after in pairwise(told[CALLS:])]
    assert min(gap.total_seconds() for gap in gaps) >= 0.4, "no burst: one each half second"
