"""The words in which a rate is written."""

from __future__ import annotations

from typing import NamedTuple

from andon.policy import Rule
from detectors.flags import AUTOMATION

COUNT, VALUE, RECIPIENTS, CONVERTED = 0, 1, 2, 3
"""What one event weighs: 1, its value in millionths of the currency, or its recipients.

CONVERTED: its value times the weight of its currency (see detectors.conversion).
"""


class Term(NamedTuple):
    """The events that bear all bits of `has` and none of `lacks`."""

    has: int = 0
    lacks: int = 0


class Terms(NamedTuple):
    """A rate: the sum over `above` divided by the sum over `below`, or undivided without it."""

    above: Term
    below: Term | None = None
    weight: int = COUNT
    currency: str | None = None
    group: tuple[str, ...] = ()
    reversed_late: bool = False  # an event may join `above` after it was counted


def actor(rule: Rule) -> int:
    """The bit of who counts: the automation, unless `where` names others."""
    return 0 if rule.where.by else AUTOMATION


def group(rule: Rule) -> tuple[str, ...]:
    """The fields whose values make a group of their own."""
    return (rule.per,) if rule.per else ()
