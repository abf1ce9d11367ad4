"""The canary: a workflow that trips itself again and again, to prove that pausing works."""

from __future__ import annotations

from typing import Final

from andon.policy import Policy, PolicyBook

TRIP: Final = "canary.trip"
PROBE: Final = "canary.probe"
"""The canary's actions, which do nothing: two of the first kind cross the bound of its policy."""

LEGS: Final = ("detection", "command", "guard", "alert", "return")
"""What a round proves, in order."""

NOBODY: Final = "andon:nobody"
"""The receiver of what no person is to hear of."""


def canary_policy(workflow: str) -> Policy:
    """What watches the canary, and lets it come back by itself."""
    rule = {"name": "trips-itself", "rate": "volume", "over": "10s", "at_least": 2}
    return Policy.model_validate(
        {
            "name": "andon:canary",
            "match": {"workflow": workflow},
            "rules": [rule | {"where": {"action": TRIP}}],
            "recover": {"after": "2s", "trial": {"permits": 5, "pass": 2}},
            "alert": {"severity": "info", "receivers": [NOBODY]},
        }
    )


def with_canary(book: PolicyBook, workflow: str) -> PolicyBook:
    """The book of people, behind the canary's own policy; without a name it is as it was."""
    if not workflow:
        return book
    policies = (canary_policy(workflow), *book.policies)
    return PolicyBook(version=1, policies=policies, auto_pause=book.auto_pause)
