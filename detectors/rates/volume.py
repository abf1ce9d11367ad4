"""volume = successful actions by the automation, counted, or the recipients that they reached."""

from __future__ import annotations

from andon.policy import Rule
from detectors.flags import SUCCESS
from detectors.rates.terms import COUNT, RECIPIENTS, Term, Terms, actor, group


def terms(rule: Rule) -> Terms:
    """How much was done; a `where` that names an outcome counts that outcome instead."""
    outcome = 0 if rule.where.outcome else SUCCESS
    return Terms(
        above=Term(has=outcome | actor(rule)),
        weight=RECIPIENTS if rule.of == "recipients" else COUNT,
        group=group(rule),
    )
