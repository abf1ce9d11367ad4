"""denied = outcome `denied` / all attempts, by the automation."""

from __future__ import annotations

from andon.policy import Rule
from detectors.flags import DENIED
from detectors.rates.terms import Term, Terms, actor, group


def terms(rule: Rule) -> Terms:
    """The share of attempts that a guard, a policy or the target refused."""
    return Terms(
        above=Term(has=DENIED | actor(rule)),
        below=Term(has=actor(rule)),
        group=group(rule),
    )
