"""error = outcome `error` / outcome `success` or `error`, by the automation."""

from __future__ import annotations

from andon.policy import Rule
from detectors.flags import DENIED, ERROR
from detectors.rates.terms import Term, Terms, actor, group


def terms(rule: Rule) -> Terms:
    """The share of attempts that failed; what was denied did not run and does not count."""
    return Terms(
        above=Term(has=ERROR | actor(rule)),
        below=Term(has=actor(rule), lacks=DENIED),
        group=group(rule),
    )
