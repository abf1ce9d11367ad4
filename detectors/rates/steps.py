"""steps = the actions of one agent run, whatever their outcome."""

from __future__ import annotations

from andon.policy import Rule
from detectors.flags import FOLDED, HAS_RUN
from detectors.rates.terms import Term, Terms, actor


def terms(rule: Rule) -> Terms:
    """How long a loop has become; an event without a run belongs to no loop."""
    return Terms(above=Term(has=HAS_RUN | actor(rule), lacks=FOLDED), group=("run",))
