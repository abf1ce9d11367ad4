"""What becomes of an action that has guardrails: it runs, people are asked, or it is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from andon.errors import LimitExceeded, Sandboxed
from andon.events import Mode, Outcome
from andon.guard.gate import Clock, Gate, Refusal
from andon.guard.patterns.ledger import Charge, Entry, Ledger, LedgerError
from andon.guard.patterns.limits import MOVES, overspent
from andon.guard.patterns.proposal import Finding, Proposal, enforced, worst, would
from andon.guard.patterns.reviews import Reviews
from andon.guard.patterns.rulebook import Rulebook
from andon.guard.patterns.trace import merged, trace_of
from andon.guard.steps import LEARN_S, Steps, Wait
from andon.guard.tally import CHECKS, Tally

if TYPE_CHECKING:
    from andon.guard.attempt import Attempt
    from andon.guard.recorder import Author

WOULD_LABEL = "andon_would"
"""On the event of an action that ran although a guardrail in shadow mode objected: what it said."""
_MICROSECOND = 1_000_000


class Admission(NamedTuple):
    """What was found in one attempt, what it has taken of the sums of limits, and the request by
    which people have approved it.
    """

    proposal: Proposal
    findings: list[Finding]
    entries: list[Entry]
    approval: str | None = None


class Rails:
    """Thread-safe."""

    def __init__(
        self,
        author: Author,
        rulebook: Rulebook,
        ledger: Ledger,
        gate: Gate,
        reviews: Reviews,
        tally: Tally,
        clock: Clock,
    ) -> None:
        self._author = author
        self._rulebook = rulebook
        self._ledger = ledger
        self._gate = gate
        self._reviews = reviews
        self._tally = tally
        self._clock = clock
        self.concern = rulebook.concern
        self.careful = rulebook.careful

    def forked(self) -> None:
        """In a forked child: open the ledger anew."""
        self._ledger.forked()

    def admit(self, attempt: Attempt) -> Steps[Refusal | None]:
        """Why an attempt may not run, or None; then it has taken what it needs of the sums."""
        if self._rulebook.off:
            return None
        if refusal := (yield from self._learn_policies(attempt)):
            return refusal
        proposal = self._rulebook.proposal(attempt)
        findings, charges = self._rulebook.examine(attempt, proposal)
        entries: list[Entry] = []
        if not enforced(findings):
            entries, more = self._reserve(charges)
            findings += more
        attempt.admission = Admission(proposal, findings, entries)
        verdict = worst(findings)
        if objections := enforced(findings):
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

    def objects(self, attempt: Attempt) -> bool:
        """Whether guardrails stand in the way, whatever the sums; takes nothing of them."""
        if self._rulebook.off:
            return False
        findings, _ = self._rulebook.examine(attempt, self._rulebook.proposal(attempt))
        return bool(enforced(findings))

    def settle(self, attempt: Attempt, event: dict[str, Any]) -> None:
        """At the end of an attempt: tell what was found; correct or give back what it took."""
        admission = attempt.admission
        if admission is not None:
            if told := would(admission.findings):
                event["labels"] = {**event.get("labels", {}), WOULD_LABEL: "; ".join(told)}
            if event["outcome"] is not Outcome.SUCCESS:
                self.give_back(attempt)
            elif admission.entries:
                self._correct_what_was_said(attempt, admission)
        if self._rulebook.audits(attempt):
            trace = trace_of(attempt, event, self._decided(attempt))
            event["decision"] = merged(trace, event.get("decision", {}))

    def give_back(self, attempt: Attempt) -> None:
        """An attempt that took of the sums has not done what it took it for."""
        if attempt.admission is not None and attempt.admission.entries:
            self._correct(attempt.admission.entries, {})

    def _learn_policies(self, attempt: Attempt) -> Steps[Refusal | None]:
        """Wait until they are known; without them it is as without a state."""
        policies = self._rulebook.policies
        if not policies.guard or policies.known:
            return None
        yield Wait(policies.learned, LEARN_S)
        closed = self._rulebook.enforced and self._gate.closes(attempt.capability in MOVES)
        if policies.known or not closed:
            return None
        return self._refusal([Finding("policies", "they are not known yet", "deny")])

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
        if denied := enforced(more):
            return self._refusal(denied)
        attempt.admission = attempt.admission._replace(entries=entries)
        used = False
        try:
            if paused := self._gate.judge(attempt, take=False):
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

    def _decided(self, attempt: Attempt) -> dict[str, Any]:
        """What was decided about an attempt, and by which state, policy and people."""
        state, generation = self._gate.state
        decided: dict[str, Any] = {
            "verdict": "refused" if attempt.refused else "rehearsed" if attempt.mode else "ran",
            "breaker": {"state": str(state), "generation": generation},
            "policy": self._rulebook.policy(attempt.capability),
        }
        if admission := attempt.admission:
            decided["objections"] = list(map(str, enforced(admission.findings)))
            decided["would"] = would(admission.findings)
            if admission.approval:
                decided["approval"] = self._reviews.approved_by(admission.approval)
        return {part: told for part, told in decided.items() if told}

    def _reserve(self, charges: list[Charge]) -> tuple[list[Entry], list[Finding]]:
        if not charges:
            return [], []
        now_us = int(self._clock().timestamp() * _MICROSECOND)
        try:
            entries, without_room = self._ledger.reserve(charges, now_us)
        except LedgerError as error:
            self._tally.fault("ledger", "of limits", error)
            return [], [Finding("limits", str(error), "deny", enforced=self._rulebook.enforced)]
        return entries, [overspent(charge) for charge in without_room]

    def _correct_what_was_said(self, attempt: Attempt, admission: Admission) -> None:
        """Where the amount turned out to be another one."""
        if (proposal := self._rulebook.proposal(attempt)) != admission.proposal:
            _, charges = self._rulebook.examine(attempt, proposal)
            held = {entry.key: entry.amount for entry in admission.entries}
            now = {charge.key: charge.amount for charge in charges}
            self._correct(admission.entries, held | now)

    def _correct(self, entries: list[Entry], amounts: dict[str, int]) -> None:
        try:
            self._ledger.correct(entries, amounts)
        except LedgerError as error:
            self._tally.fault("ledger", "of limits", error)

    def _refusal(self, findings: Sequence[Finding]) -> Refusal:
        reason = "; ".join(map(str, findings))
        first = findings[0]
        told = "; ".join([first.reason, *map(str, findings[1:])])
        error = LimitExceeded(self._author.workflow, field=first.field, reason=told)
        return Refusal(error, reason)
