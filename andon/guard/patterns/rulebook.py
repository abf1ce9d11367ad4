"""Which guardrails an action has, and what they have against it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

from andon.events import Capability, Mode
from andon.guard.patterns.ledger import Charge
from andon.guard.patterns.limits import objections
from andon.guard.patterns.policies import Policies
from andon.guard.patterns.proposal import Finding, Proposal
from andon.guard.patterns.scope import outside

if TYPE_CHECKING:
    from andon.guard.attempt import Attempt
    from andon.guard.recorder import Author

Guardrails = Literal["enforce", "shadow", "off"]


class Rules(NamedTuple):
    """What holds for all actions of a guard."""

    guardrails: Guardrails
    reversible_only: bool | Collection[str]
    audit: bool

    def needs_undo(self, capability: Capability) -> bool:
        """Whether actions of this kind have to be such that they can be undone."""
        kinds = self.reversible_only
        return kinds if isinstance(kinds, bool) else capability in kinds


class Rulebook:
    """The rules of the guard, of the policy that holds, and of the action itself."""

    def __init__(self, author: Author, policies: Policies, rules: Rules) -> None:
        self._author = author
        self._rules = rules
        self.policies = policies
        self._for_all = rules.audit or bool(rules.reversible_only)
        self.off = rules.guardrails == "off"
        self.enforced = rules.guardrails == "enforce"

    def concern(self, attempt: Attempt) -> bool:
        """Whether there is anything to be looked at; the cheapest of questions."""
        return attempt.options is not None or self.policies.guard or self._for_all

    def audits(self, attempt: Attempt) -> bool:
        """Whether a decision trace is kept: where it is asked for, and where there is a story."""
        if self._rules.audit or (attempt.options and attempt.options.audit):
            return True
        return attempt.admission is not None and bool(attempt.admission.findings)

    def careful(self, attempt: Attempt) -> bool:
        """Whether it is better not to run without knowing the workflow's state.

        So with money, and with a send to more people than a limit allows.
        """
        if attempt.capability is Capability.SEND:
            found, _ = self.examine(attempt, self.proposal(attempt))
            return any(finding.field == "recipients" for finding in found)
        return attempt.capability is Capability.TRANSACT

    def policy(self, capability: Capability) -> str | None:
        """Name and version of the policy that holds for such actions."""
        holding = self.policies.of(capability)
        return holding and f"{holding.policy.name}@{holding.policy.version}"

    def proposal(self, attempt: Attempt) -> Proposal:
        """The attempt as guardrails see it."""
        return Proposal.of(attempt, self._author.workflow, self._author.automation)

    def examine(self, attempt: Attempt, proposal: Proposal) -> tuple[list[Finding], list[Charge]]:
        """All that speaks against an attempt but the sums, and what it is to add to them.

        What is not live moves nothing: it is neither refused nor charged.
        """
        live = (attempt.mode or self._author.mode) == Mode.LIVE
        findings: list[Finding] = []
        charges: list[Charge] = []
        for objection, enforced in self._objections(attempt, proposal):
            if isinstance(objection, Finding):
                findings.append(objection._replace(enforced=enforced and live))
            elif live:
                charges.append(objection._replace(enforced=enforced))
        return findings, charges

    def _objections(
        self, attempt: Attempt, proposal: Proposal
    ) -> Iterator[tuple[Finding | Charge, bool]]:
        """Those of the policy, of the guard and of the action; whether they are enforced."""
        if holding := self.policies.of(attempt.capability):
            policy = holding.policy
            enforced = self.enforced and policy.mode == "enforce"
            for found in outside(policy.scope, proposal):
                yield found, enforced
            for objection in objections(holding.ceilings, proposal):
                yield objection, enforced
        for objection in self._own(attempt, proposal):
            yield objection, self.enforced

    def _own(self, attempt: Attempt, proposal: Proposal) -> Iterator[Finding | Charge]:
        options = attempt.options
        if self._rules.needs_undo(attempt.capability) and not (options and options.undo):
            yield Finding("undo", "it has none, and what cannot be undone is refused here", "deny")
        if options is None:
            return
        yield from outside(options.scope, proposal)
        yield from objections(options.ceilings, proposal)
        if options.review:
            reason = f"each {proposal.action} needs an approval"
            yield Finding("review", reason, "review", options.review.people)
