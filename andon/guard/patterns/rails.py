"""The guardrails of one guard: what they find in an action, and what becomes of it then."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from andon.errors import LimitExceeded
from andon.events import Capability, Outcome
from andon.guard.gate import Clock, Refusal
from andon.guard.patterns.ledger import Charge, Entry, Ledger, LedgerError
from andon.guard.patterns.limits import Ceiling, objections, overspent
from andon.guard.patterns.policies import Policies
from andon.guard.patterns.proposal import Finding, Proposal
from andon.guard.patterns.scope import outside
from andon.guard.tally import CHECKS, Tally
from andon.limit import Scope

if TYPE_CHECKING:
    from andon.guard.attempt import Attempt
    from andon.guard.recorder import Author

Guardrails = Literal["enforce", "shadow", "off"]
WOULD_LABEL = "andon_would"
"""On the event of an action that ran although a guardrail in shadow mode objected: what it said."""
_MICROSECOND = 1_000_000


class Admission(NamedTuple):
    """What was found in one attempt, and what it has taken of the sums of limits."""

    proposal: Proposal
    findings: list[Finding]
    entries: list[Entry]


class Rails:
    """Scope and limits, of the policy and of the action itself. Thread-safe."""

    def __init__(
        self,
        author: Author,
        policies: Policies,
        ledger: Ledger,
        tally: Tally,
        clock: Clock,
        *,
        guardrails: Guardrails,
    ) -> None:
        self._author = author
        self._policies = policies
        self._ledger = ledger
        self._tally = tally
        self._clock = clock
        self._off = guardrails == "off"
        # What is not live moves nothing: it is checked, and neither charged nor refused.
        self._live = author.mode == "live"
        self._enforced = guardrails == "enforce" and self._live

    def concern(self, attempt: Attempt) -> bool:
        """Whether there is anything to be looked at; the cheapest of questions."""
        return attempt.options is not None or self._policies.guard

    def forked(self) -> None:
        """In a forked child: open the ledger anew."""
        self._ledger.forked()

    def careful(self, attempt: Attempt) -> bool:
        """Whether it is better not to run without knowing the workflow's state.

        So with money, and with a send to more people than a limit allows.
        """
        if attempt.capability is Capability.SEND:
            found, _ = self._examine(attempt, self._proposal(attempt))
            return any(finding.field == "recipients" for finding in found)
        return attempt.capability is Capability.TRANSACT

    def admit(self, attempt: Attempt) -> Refusal | None:
        """Why an attempt may not run, or None; then it has taken what it needs of the sums."""
        if self._off:
            return None
        proposal = self._proposal(attempt)
        findings, charges = self._examine(attempt, proposal)
        entries: list[Entry] = []
        if not any(finding.enforced for finding in findings):
            entries, more = self._reserve(charges)
            findings += more
        attempt.admission = Admission(proposal, findings, entries)
        self._tally.add(CHECKS, _verdict(findings))
        enforced = [finding for finding in findings if finding.enforced]
        return self._refusal(enforced) if enforced else None

    def settle(self, attempt: Attempt, event: dict[str, Any]) -> None:
        """At the end of an attempt: tell what was found; correct or give back what it took."""
        admission = attempt.admission
        if admission is None:
            return
        if would := [finding for finding in admission.findings if not finding.enforced]:
            told = "; ".join(f"{finding.then}: {finding}" for finding in would)
            event["labels"] = {**event.get("labels", {}), WOULD_LABEL: told}
        if event["outcome"] is not Outcome.SUCCESS:
            self.give_back(attempt)
        elif admission.entries and (proposal := self._proposal(attempt)) != admission.proposal:
            # The amount was another one than had been said before.
            _, charges = self._examine(attempt, proposal)
            held = {entry.key: entry.amount for entry in admission.entries}
            now = {charge.key: charge.amount for charge in charges}
            self._correct(admission.entries, held | now)

    def give_back(self, attempt: Attempt) -> None:
        """An attempt that took of the sums does not run after all."""
        if attempt.admission is not None and attempt.admission.entries:
            self._correct(attempt.admission.entries, {})

    def _proposal(self, attempt: Attempt) -> Proposal:
        return Proposal.of(attempt, self._author.workflow, self._author.automation)

    def _examine(self, attempt: Attempt, proposal: Proposal) -> tuple[list[Finding], list[Charge]]:
        """All that speaks against an attempt but the sums, and what it is to add to them."""
        findings: list[Finding] = []
        charges: list[Charge] = []
        for scope, ceilings, enforced in self._rules(attempt):
            for objection in (*outside(scope, proposal), *objections(ceilings, proposal)):
                if isinstance(objection, Charge):
                    charges.append(objection._replace(enforced=enforced))
                else:
                    findings.append(objection._replace(enforced=enforced))
        return findings, charges if self._live else []

    def _rules(self, attempt: Attempt) -> Iterator[tuple[Scope, tuple[Ceiling, ...], bool]]:
        """Scope, limits, and whether they are enforced: of the policy, then of the action."""
        if holding := self._policies.of(attempt.capability):
            enforced = self._enforced and holding.policy.mode == "enforce"
            yield holding.policy.scope, holding.ceilings, enforced
        if options := attempt.options:
            yield options.scope or Scope(), options.ceilings, self._enforced

    def _reserve(self, charges: list[Charge]) -> tuple[list[Entry], list[Finding]]:
        if not charges:
            return [], []
        now_us = int(self._clock().timestamp() * _MICROSECOND)
        try:
            entries, without_room = self._ledger.reserve(charges, now_us)
        except LedgerError as error:
            self._tally.fault("ledger", "of limits", error)
            return [], [Finding("limits", str(error), "deny", enforced=self._enforced)]
        return entries, [overspent(charge) for charge in without_room]

    def _correct(self, entries: list[Entry], amounts: dict[str, int]) -> None:
        try:
            self._ledger.correct(entries, amounts)
        except LedgerError as error:
            self._tally.fault("ledger", "of limits", error)

    def _refusal(self, findings: list[Finding]) -> Refusal:
        reason = "; ".join(map(str, findings))
        first = findings[0]
        told = "; ".join([first.reason, *map(str, findings[1:])])
        error = LimitExceeded(self._author.workflow, field=first.field, reason=told)
        return Refusal(error, reason)


def _verdict(findings: list[Finding]) -> str:
    """The worst of what was found, as it is counted."""
    worst = max(findings, key=_gravity, default=None)
    if worst is None:
        return "passed"
    return worst.then if worst.enforced else f"would_{worst.then}"


def _gravity(finding: Finding) -> tuple[bool, int]:
    return finding.enforced, ("review", "sandbox", "deny").index(finding.then)
