"""The doctor: a table of checks, each of which looks at one thing and says what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from andon.errors import AndonError, BrokerError
from streams.doctor import broker, house, life
from streams.doctor.finding import Finding, fail, warn
from streams.settings import Settings


class Check(NamedTuple):
    """`needs_broker`: it is not tried where none answers."""

    name: str
    look: Callable[[Settings], Iterator[Finding]]
    needs_broker: bool = True


CHECKS = (
    Check("broker", broker.reached),
    Check("topics", broker.topics),
    Check("acls", broker.acls),
    Check("clock", broker.clock),
    Check("policy", house.policy, needs_broker=False),
    Check("keys", house.keys, needs_broker=False),
    Check("signatures", life.signatures),
    Check("monitor", life.monitor),
    Check("canary", life.canary),
    Check("guards", life.guards),
    Check("guard clocks", life.guard_clocks),
)


def examine(settings: Settings) -> Iterator[tuple[str, Finding]]:
    """The name of each check of the table, with what it has found; at least one finding each."""
    reached = True
    for check in CHECKS:
        if check.needs_broker and not reached:
            yield check.name, warn("was not looked at: no broker answers", "see broker")
            continue
        try:
            for finding in check.look(settings):
                yield check.name, finding
        except BrokerError as error:
            says, _, fix = str(error).partition(": ")
            reached = reached and check.name != "broker"
            yield check.name, fail(says, fix or "look into the broker's own log")
        except AndonError as error:
            yield check.name, fail(str(error), "correct it")
