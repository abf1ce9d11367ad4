"""All that can be said of policies before they take effect."""

from __future__ import annotations

from andon.canary import with_canary
from andon.errors import PolicyError, Problem
from andon.policy_file import check_policies
from andon.policy_review import Known, review
from andon.yaml_lines import Draft
from detectors.plan import Compiled, compile_book


def compiled(draft: Draft, canary: str = "") -> Compiled:
    """The policies of a draft, ready to run; with that of the canary, where its workflow is named.

    Raises:
        PolicyError: with every mistake.
    """
    book = with_canary(check_policies(draft), canary)
    try:
        return compile_book(book)
    except PolicyError as error:
        raise PolicyError([draft.located(problem) for problem in error.problems]) from None


def problems_of(draft: Draft, kept_s: int | None, known: Known | None = None) -> list[Problem]:
    """Every mistake and every warning, in the order of the file (see andon.policy_review)."""
    found = review(draft, kept_s, known)
    try:
        compiled(draft)
    except PolicyError as error:
        found += error.problems
    return sorted(found, key=lambda problem: problem.line)
