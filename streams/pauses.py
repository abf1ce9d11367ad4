"""Whether pauses hold: what the closed loop finds is measured, written down and told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta

from andon.alert_text import resume_command, sums, title
from andon.commands import Alert, Audit, Command, Reason
from andon.globs import matches
from andon.ids import derived_id
from andon.policy import Obey, Policy, PolicyBook
from andon.scope_names import scope_of
from streams.closed_loop import ClosedLoop, Fact, NotObeyed, Obeyed
from streams.exporter import Exporter

SILENT_SHOWN = 5

Write = Callable[[Iterable[Audit], Iterable[Alert]], Awaitable[None]]


class Pauses:
    """Drives the closed loop of one worker; ids are derived, so that two workers write the same."""

    def __init__(self, loop: ClosedLoop, exporter: Exporter, write: Write) -> None:
        self.loop = loop
        self._exporter = exporter
        self._write = write

    async def look(
        self, facts: Iterable[Fact], now: datetime, mine: set[int], book: PolicyBook
    ) -> None:
        """Take in what the log says, and do what follows.

        Args:
            facts: read from the log since the last time.
            now: the time, of the wall.
            mine: the partitions of this worker.
            book: the policies, which say how much time a pause has.
        """
        for fact in facts:
            self.loop.take(fact)

        def grace(command: Command) -> timedelta:
            policy = policy_of(book, command)
            return timedelta(seconds=(policy.obey if policy else Obey()).within)

        for effect in self.loop.look(now, mine, grace):
            if isinstance(effect, Obeyed):
                self._exporter.paused(effect.seconds)
                await self._write([obeyed(effect)], [])
            else:
                audit, alert = not_obeyed(effect, now, policy_of(book, effect.command))
                await self._write([audit], [alert])


def policy_of(book: PolicyBook, command: Command) -> Policy | None:
    """The policy that paused; for a person's pause the first that may watch the workflow."""
    for policy in book.policies:
        if policy.name == command.reason.policy:
            return policy
    return next((each for each in book.policies if _may_watch(each, command.workflow)), None)


def _may_watch(policy: Policy, workflow: str) -> bool:
    scope, whose = scope_of(workflow), policy.breaker
    if scope is None:
        return whose.kind is None and matches(policy.match.workflow, workflow)
    return scope.kind is whose.kind and whose.target in (None, scope.name)


def obeyed(effect: Obeyed) -> Audit:
    """The audit line of a pause that all guards obey."""
    command, count = effect.command, effect.guards
    guards = "the guard obeys" if count == 1 else f"all {count} guards obey"
    return Audit(
        audit_id=derived_id("obeyed", command.command_id),
        ts=effect.at,
        kind="ack",
        workflow=command.workflow,
        state=command.state,
        generation=command.generation,
        reason=Reason(text=f"{guards} {effect.seconds:.3f} s after the command"),
    )


def not_obeyed(effect: NotObeyed, now: datetime, policy: Policy | None) -> tuple[Audit, Alert]:
    """The audit line and the alert of a pause that does not hold."""
    command, leaked = effect.command, effect.leaked
    reason = Reason(
        text=_what(effect),
        policy=policy and policy.name,
        policy_version=policy and policy.version,
        events=leaked.events,
        event_ids=leaked.event_ids,
        value=leaked.value,
    )
    audit = Audit(
        audit_id=derived_id("not-obeyed", command.command_id),
        ts=now,
        kind="not-obeyed",
        workflow=command.workflow,
        state=command.state,
        generation=command.generation,
        reason=reason,
        events=leaked.events,
    )
    alert = Alert(
        alert_id=derived_id("not-obeyed-alert", command.command_id),
        kind="not_obeyed",
        workflow=command.workflow,
        generation=command.generation,
        state=command.state,
        severity="critical",
        since=now,
        title=title("not_obeyed", command.workflow, reason),
        reason=reason,
        resume=resume_command(command.workflow),
        runbook=policy and policy.alert.runbook,
        receivers=list(policy.alert.receivers) if policy else [],
    )
    return audit, alert


def _what(effect: NotObeyed) -> str:
    """`12 actions ($300 USD) by refund-bot after the pause; no answer from host-1 (refund-bot)`."""
    found, leaked = [], effect.leaked
    if leaked.events:
        actions = "1 action" if leaked.events == 1 else f"{leaked.events:,} actions"
        money = f" ({moved})" if (moved := sums(leaked.value)) else ""
        by = _some(sorted(leaked.automations))
        found.append(f"{actions}{money} by {by} after the pause")
    if effect.silent:
        found.append(f"no answer from {_some(effect.silent)}")
    return "; ".join(found)


def _some(names: Iterable[str]) -> str:
    names = list(names)
    more = len(names) - SILENT_SHOWN
    return ", ".join(names[:SILENT_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
