"""The guardrails of one guard: what they find in an action, and what becomes of it then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from andon.errors import LimitExceeded, Sandboxed
from andon.events import Capability, Mode, Outcome
from andon.guard.gate import Clock, Gate, Refusal
from andon.guard.patterns.ledger import Charge, Entry, Ledger, LedgerError
from andon.guard.patterns.limits import objections, overspent
from andon.guard.patterns.policies import Policies
from andon.guard.patterns.proposal import Finding, Proposal
from andon.guard.patterns.reviews import Reviews
from andon.guard.patterns.scope import outside
from andon.guard.steps import Steps
from andon.guard.tally import CHECKS, Tally

if TYPE_CHECKING:
    from andon.guard.attempt import Attempt
    from andon.guard.recorder import Author

Guardrails = Literal["enforce", "shadow", "off"]
WOULD_LABEL = "andon_would"
"""On the event of an action that ran although a guardrail in shadow mode objected: what it said."""
_MICROSECOND = 1_000_000


class Admission(NamedTuple):
    """What was found in one attempt, what it has taken of the sums of limits, and the request by
    which people have approved it."""

    proposal: Proposal
    findings: list[Finding]
    entries: list[Entry]
    approval: str | None = None


class Rails:
    """Scope and limits, of the policy and of the action itself. Thread-safe."""

    def __init__(
        self,
        author: Author,
        policies: Policies,
        ledger: Ledger,
        gate: Gate,
        reviews: Reviews,
        tally: Tally,
        clock: Clock,
        *,
        guardrails: Guardrails,
    ) -> None:
        self._author = author
        self._policies = policies
        self._ledger = ledger
        self._gate = gate
        self._reviews = reviews
        self._tally = tally
        self._clock = clock
        self._off = guardrails == "off"
        self._enforce = guardrails == "enforce"

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

    def admit(self, attempt: Attempt) -> Steps[Refusal | None]:
        """Why an attempt may not run, or None; then it has taken what it needs of the sums."""
        if self._off:
            return None
        proposal = self._proposal(attempt)
        findings, charges = self._examine(attempt, proposal)
        entries: list[Entry] = []
        if not _enforced(findings):
            entries, more = self._reserve(charges)
            findings += more
        attempt.admission = Admission(proposal, findings, entries)
        verdict = worst(findings)
        refusal = None
        if objections := _enforced(findings):
            if verdict == "deny":
                refusal = self._refusal(objections)
            else:
                refusal = yield from self._by_people(attempt, charges, objections)
                verdict = "approved" if attempt.admission.approval else verdict
        self._tally.add(CHECKS, verdict)
        return refusal

    def sandboxed(self, attempt: Attempt, result: object) -> Sandboxed:
        """Ask people about an action that was rehearsed; what its caller is told."""
        return self._reviews.sandboxed(attempt, attempt.rehearsed_for, result)

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

    def _by_people(
        self, attempt: Attempt, charges: list[Charge], objections: list[Finding]
    ) -> Steps[Refusal | None]:
        """As `admit`, where people may lift what is against it."""
        rehearse = worst(objections) == "sandbox"
        try:
            approval = yield from self._reviews.approval(attempt, objections, ask=not rehearse)
        except ValueError as error:
            return self._refusal([Finding("review", str(error), "deny")])
        if approval is None:
            return self._rehearse(attempt, objections)
        if isinstance(approval, Refusal):
            return approval
        return (yield from self._use(attempt, approval, charges, objections))

    def _use(
        self, attempt: Attempt, approval: str, charges: list[Charge], objections: list[Finding]
    ) -> Steps[Refusal | None]:
        """What people approve is not held against limits that ask people; but against the rest."""
        assert attempt.admission is not None
        entries, more = self._reserve([c for c in charges if c.ceiling.limit.then == "deny"])
        if denied := _enforced(more):
            return self._refusal(denied)
        attempt.admission = attempt.admission._replace(entries=entries)
        used = False
        try:
            if paused := self._gate.judge(take=False):
                return paused
            used = yield from self._reviews.use(approval)
        finally:
            if not used:
                self.give_back(attempt)
        if not used:
            return self._reviews.refusal(attempt, approval, objections)
        attempt.admission = attempt.admission._replace(approval=approval)
        return None

    def _rehearse(self, attempt: Attempt, objections: list[Finding]) -> Refusal | None:
        sandbox = attempt.options.sandbox if attempt.options else None
        if sandbox is None:
            missing = Finding("sandbox", "it has none to be rehearsed in", "deny")
            return self._refusal([*objections, missing])
        attempt.mode, attempt.instead = Mode.SANDBOX, sandbox
        attempt.rehearsed_for = objections
        return None

    def _proposal(self, attempt: Attempt) -> Proposal:
        return Proposal.of(attempt, self._author.workflow, self._author.automation)

    def _examine(self, attempt: Attempt, proposal: Proposal) -> tuple[list[Finding], list[Charge]]:
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
        """Those of the policy, then those of the action, and whether they are enforced."""
        if holding := self._policies.of(attempt.capability):
            policy = holding.policy
            for found in (
                *outside(policy.scope, proposal),
                *objections(holding.ceilings, proposal),
            ):
                yield found, self._enforce and policy.mode == "enforce"
        if options := attempt.options:
            for found in (
                *outside(options.scope, proposal),
                *objections(options.ceilings, proposal),
            ):
                yield found, self._enforce
            if options.review:
                reason = f"each {proposal.action} needs an approval"
                yield Finding("review", reason, "review", options.review.people), self._enforce

    def _reserve(self, charges: list[Charge]) -> tuple[list[Entry], list[Finding]]:
        if not charges:
            return [], []
        now_us = int(self._clock().timestamp() * _MICROSECOND)
        try:
            entries, without_room = self._ledger.reserve(charges, now_us)
        except LedgerError as error:
            self._tally.fault("ledger", "of limits", error)
            return [], [Finding("limits", str(error), "deny", enforced=self._enforce)]
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


def worst(findings: Sequence[Finding]) -> str:
    """The gravest of what was found, as it is counted."""
    gravest = max(findings, key=_gravity, default=None)
    if gravest is None:
        return "passed"
    return gravest.then if gravest.enforced else f"would_{gravest.then}"


def _gravity(finding: Finding) -> tuple[bool, int]:
    return finding.enforced, ("review", "sandbox", "deny").index(finding.then)


def _enforced(findings: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.enforced]
