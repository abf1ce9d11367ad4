"""What is about to happen, as guardrails see it, and what they find."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from andon.events import By, Capability, Outcome
from andon.guard.fields import SHAPES
from andon.limit import Then

if TYPE_CHECKING:
    from andon.guard.attempt import Attempt


class Proposal(NamedTuple):
    """An action before it runs: the fields that a `where` may ask for, and its amounts as given.
    A currency is in capitals.

    It is judged as the success of an automation that it is going to be.
    """

    workflow: str
    action: str
    target: str | None
    automation: str
    capability: Capability
    value: object
    currency: str | None
    recipients: object
    outcome: Outcome = Outcome.SUCCESS
    by: By = By.AUTOMATION

    @classmethod
    def of(cls, attempt: Attempt, workflow: str, automation: str) -> Proposal:
        """What `attempt` is going to do; a target that cannot be told is none."""
        return cls(
            workflow=workflow,
            action=attempt.action,
            target=_text("target", attempt.target),
            automation=automation,
            capability=attempt.capability,
            value=attempt.value,
            currency=(_text("currency", attempt.currency) or "").upper() or None,
            recipients=attempt.recipients,
        )


class Finding(NamedTuple):
    """One guardrail's objection. `field` is what it objects to, `reason` is for people.

    Not `enforced`: it is told and counted, and the action runs.
    """

    field: str
    reason: str
    then: Then
    people: int = 1
    enforced: bool = True

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


def _text(field: str, value: object) -> str | None:
    if value is None:
        return None
    try:
        return str(SHAPES[field](value))
    except Exception:
        return None


def worst(findings: Sequence[Finding]) -> str:
    """The gravest of what was found, as it is counted."""
    gravest = max(findings, key=_gravity, default=None)
    if gravest is None:
        return "passed"
    return gravest.then if gravest.enforced else f"would_{gravest.then}"


def enforced(findings: Sequence[Finding]) -> list[Finding]:
    """Those that stand in the way."""
    return [finding for finding in findings if finding.enforced]


def would(findings: Sequence[Finding]) -> list[str]:
    """Those that would, were they enforced, for people."""
    return [f"{finding.then}: {finding}" for finding in findings if not finding.enforced]


def _gravity(finding: Finding) -> tuple[bool, int]:
    return finding.enforced, ("review", "sandbox", "deny").index(finding.then)
