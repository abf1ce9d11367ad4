"""Limits: the most that one action may do, and what it adds to the sum of a window."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from andon.amounts import MILLION, millionths, shown
from andon.events import Capability
from andon.guard.fields import SHAPES
from andon.guard.patterns.ledger import Charge
from andon.guard.patterns.proposal import Finding, Proposal
from andon.limit import Limit
from andon.quantities import format_duration

MOVES = {Capability.TRANSACT: "value", Capability.SEND: "recipients"}
"""Capability to the amount that its actions cannot be without."""


class Ceiling(NamedTuple):
    """A limit as it is held against actions: `most` in millionths of `unit`, of a `field`."""

    limit: Limit
    field: str
    unit: str
    most: int
    kind: str
    """The same for limits that share a sum: it still counts when their bound is changed."""

    @classmethod
    def of(cls, limit: Limit) -> Ceiling:
        where = limit.where.model_dump(mode="json", exclude_none=True)
        kind = json.dumps([limit.unit, limit.over, where], sort_keys=True)
        return cls(limit, limit.field, limit.unit, limit.most, kind)

    def charge(self, amount: int, workflow: str) -> Charge:
        """What an action adds to the sum of the window."""
        assert self.limit.over is not None
        window_us = self.limit.over * MILLION
        return Charge(f"{workflow}\n{self.kind}", amount, self.most, window_us, self)

    def finding(self, reason: str) -> Finding:
        """It is exceeded."""
        most = shown(self.most, self.unit)
        return Finding(
            self.field, f"{reason}, {most} is the most", self.limit.then, self.limit.people
        )


def objections(ceilings: Sequence[Ceiling], proposal: Proposal) -> Iterator[Finding | Charge]:
    """What limits have against an action, and what it is to be charged to those with a window.

    An amount that is missing or makes no sense is denied: no limit can be held against it. Money
    in a currency that no limit is written in is treated as beyond them.
    """
    applying = [each for each in ceilings if each.limit.where.passes(proposal)]
    for ceiling in applying:
        given = 1 if ceiling.field == "actions" else getattr(proposal, ceiling.field)
        if given is None and MOVES.get(proposal.capability) != ceiling.field:
            continue
        try:
            amount = millionths(_counted(given) if ceiling.field == "recipients" else given)
        except ValueError as error:
            hint = f": pass {ceiling.field}=…" if given is None else ""
            yield Finding(ceiling.field, f"{error}{hint}, and there is a limit", "deny")
            continue
        if ceiling.field == "value" and proposal.currency != ceiling.unit:
            if all(proposal.currency != other.unit for other in applying):
                yield _foreign(ceiling.limit, proposal.currency)
        elif ceiling.limit.over is not None:
            yield ceiling.charge(amount, proposal.workflow)
        elif amount > ceiling.most:
            yield ceiling.finding(f"{shown(amount, ceiling.unit)} in one action")


def overspent(charge: Charge) -> Finding:
    """What is said where a window has no room for a charge."""
    ceiling = charge.ceiling
    amount, spent = shown(charge.amount, ceiling.unit), shown(charge.spent, ceiling.unit)
    assert ceiling.limit.over is not None
    window = format_duration(ceiling.limit.over)
    finding = ceiling.finding(f"{amount} on top of {spent} within {window}")
    return finding._replace(enforced=charge.enforced)


def _counted(given: object) -> object:
    try:
        return None if given is None else SHAPES["recipients"](given)
    except TypeError:
        raise ValueError(f"{given!r} is no number of them") from None


def _foreign(limit: Limit, currency: str | None) -> Finding:
    told = repr(currency) if currency else "missing"
    reason = f"is {told}, and the limit is written in {limit.currency}"
    return Finding("currency", reason, limit.then, limit.people)
