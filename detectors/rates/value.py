"""value = the money moved by successful actions of the automation, in one currency."""

from __future__ import annotations

from andon.policy import Rule
from detectors.flags import SUCCESS
from detectors.rates.terms import VALUE, Term, Terms, actor, group


def terms(rule: Rule) -> Terms:
    """How much money went out; other currencies are other rules, or converted."""
    return Terms(
        above=Term(has=SUCCESS | actor(rule)),
        weight=VALUE,
        currency=rule.currency,
        group=group(rule),
    )
