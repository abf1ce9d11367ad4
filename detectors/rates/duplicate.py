"""duplicate = the successful actions of the automation that agree with this one on `same`."""

from __future__ import annotations

from andon.policy import Rule
from detectors.flags import FOLDED, SUCCESS
from detectors.rates.terms import Term, Terms, actor, group


def terms(rule: Rule) -> Terms:
    """How often the same thing was done; null agrees with null, 5 with 5.0."""
    return Terms(
        above=Term(has=SUCCESS | actor(rule), lacks=FOLDED),
        group=tuple(dict.fromkeys((*group(rule), *rule.same))),
    )
