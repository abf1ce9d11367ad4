"""reversal = actions undone / actions done.

By `cohort` an action of the window counts above the line once it has been undone, whenever that
was. By `arrival` the reversals that arrive in the window are held against the actions of the same
window, whatever they undo. Successful actions by the automation that undo nothing are the actions.
"""

from __future__ import annotations

from andon.policy import Rule
from detectors.flags import FOLDED, REVERSED, REVERSES, SUCCESS
from detectors.rates.terms import COUNT, VALUE, Term, Terms, actor, group


def terms(rule: Rule) -> Terms:
    """The share of actions that people or systems took back, by count or by value."""
    cohort = rule.attribute == "cohort"
    action = Term(has=SUCCESS | actor(rule), lacks=REVERSES | (FOLDED if cohort else 0))
    undone = Term(has=action.has | REVERSED, lacks=action.lacks)
    return Terms(
        above=undone if cohort else Term(has=REVERSES),
        below=action,
        weight=VALUE if rule.weigh == "value" else COUNT,
        currency=rule.currency if rule.weigh == "value" else None,
        group=group(rule),
        reversed_late=cohort,
    )
