"""The agent's process: plays the scenario through a real guard, which may stop it.

Everything that an automation has to do for Andon is in `Agent.__init__` and `Agent.pay`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

from andon import BreakerOpen, Guard
from andon.guard import current_attempt
from backtest.scenarios.refund_night import (
    ACTION,
    AUTOMATION,
    CURRENCY,
    WORKFLOW,
    Refund,
    Scenario,
    Undo,
    refund_night,
)
from demo.clock import FastClock


class Agent:
    """Pays refunds as long as it may, and asks on when it may not, as bots do."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._pay_out = guard.action(
            "transact",
            ACTION,
            target="refund.charge",
            value="refund.amount_usd",
            currency=CURRENCY,
            decision=lambda call: {"complaint": call.arguments["refund"].complaint},
        )(_pay_out)
        self._receipts: dict[int, str] = {}
        self._paid_usd = 0.0
        self._refused = 0
        self._undone = 0

    def pay(self, place: int, refund: Refund) -> None:
        """Refund a complaint."""
        try:
            self._receipts[place] = self._pay_out(refund)
        except BreakerOpen:
            self._refused += 1
        else:
            self._paid_usd += refund.amount_usd

    def undo(self, undo: Undo) -> None:
        """A clerk takes a refund back; one that was refused needs no undoing."""
        if receipt := self._receipts.get(undo.refund):
            self._guard.reversed(receipt, by="human", reason=undo.reason)
            self._undone += 1

    def account(self) -> dict[str, Any]:
        """What this process knows that it did, whatever the log says."""
        return {
            "paid": len(self._receipts),
            "paid_usd": round(self._paid_usd, 2),
            "refused": self._refused,
            "undone": self._undone,
            "guard": self._guard.stats(),
        }


def _pay_out(refund: Refund) -> str:
    """Where a real agent calls its payment provider; returns a receipt."""
    attempt = current_attempt()
    assert attempt is not None
    return attempt.event_id


def play(scenario: Scenario, agent: Agent, reach: Callable[[float], None]) -> None:
    """Do what the scenario says, each thing at its time."""
    for place, step in scenario.steps():
        reach(step.at_s)
        if isinstance(step, Refund):
            agent.pay(place, step)
        else:
            agent.undo(step)


def main() -> None:
    """Play one scenario; the last line on standard output is the account, as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap-servers", required=True)
    parser.add_argument("--start", type=datetime.fromisoformat, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--speed", type=float, required=True)
    args = parser.parse_args()
    clock = FastClock(args.start, args.speed)
    guard = Guard(WORKFLOW, AUTOMATION, bootstrap_servers=args.bootstrap_servers, clock=clock)
    if not guard.ready(30):
        sys.exit("the guard hears no commands: it cannot reach the broker")
    agent = Agent(guard)
    play(refund_night(args.seed), agent, clock.reach)
    delivered = guard.close(30)
    print(json.dumps(agent.account()), flush=True)
    if not delivered:
        sys.exit("the broker did not take all events within 30 s")


if __name__ == "__main__":
    main()
