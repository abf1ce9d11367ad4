"""Guards for automations that ask over HTTP: the SDK's own, one for each automation.

A permit is an attempt that has begun. The event that carries its id as `event_id` ends it: an
action that did not succeed gives back what it had taken of a limit. Without that event within
`permit_ttl_s` the action counts as done: money may have moved.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from contextlib import suppress
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from andon import Guard
from andon.breaker import State
from andon.errors import AndonError, BreakerOpen, BrokerError, ReviewNeeded
from andon.events import Capability, Currency, Event, Mode, Name, Outcome, Text
from andon.guard.attempt import Attempt
from andon.guard.patterns.trace import merged
from andon.policy import PolicyBook
from api.hub import Hub, HubTransport
from api.link import Link
from api.settings import ApiSettings

READY_S = 2.0
PERMITS_MAX = 100_000
FIELDS = ("target", "value", "currency", "recipients", "run", "step", "decision", "labels")


class Proposal(BaseModel):
    """The event to be: what an automation is about to do. Unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)

    workflow: Name
    automation: Name
    capability: Annotated[Capability, Field(strict=False)]
    action: Name
    target: Annotated[str, Field(max_length=500)] | None = None
    value: Annotated[float, Field(ge=0)] | None = Field(None, description="money to be moved")
    currency: Currency | None = None
    recipients: Annotated[int, Field(ge=0, le=2**53)] | None = None
    mode: Annotated[Mode, Field(strict=False)] = Mode.LIVE
    run: Text | None = None
    step: int | None = None
    decision: dict[str, Any] | None = None
    labels: dict[str, Any] | None = None


class Permit(BaseModel):
    """Whether an action may run."""

    allow: bool
    permit: str | None = Field(None, description="the `event_id` for the event of this action")
    state: State | None = Field(description="of the workflow's breaker; null while not known")
    generation: int
    reason: str | None = Field(None, description="why not")
    field: str | None = Field(None, description="of the action, where it breaches a limit or scope")
    review: str | None = Field(None, description="the request that waits for people: ask again")
    expires_in_s: float | None = Field(None, description="by then its event has to be told")


class _Open(NamedTuple):
    attempt: Attempt
    workflow: str
    until_s: float


class Guards:
    """All guards of this process. To be used by the loop's thread alone."""

    def __init__(
        self, settings: ApiSettings, ledger: str, policies: PolicyBook | None, hub: Hub, link: Link
    ) -> None:
        """`policies` is None until `use` is told what the broker holds."""
        self._settings = settings
        self._ledger = ledger
        self._policies = policies
        self._hub = hub
        self._link = link
        self._guards: OrderedDict[tuple[str, str, str], Guard] = OrderedDict()
        self._open: OrderedDict[str, _Open] = OrderedDict()

    def use(self, policies: PolicyBook) -> None:
        """Go by these policies from now on."""
        self._policies = policies
        for guard in self._guards.values():
            guard.policies.use(policies)

    async def ask(self, proposal: Proposal) -> Permit:
        """Judge an action; the guard itself tells of a refusal, with a denied event."""
        self._forget_old_permits()
        guard = await self._guard(proposal)
        fields = {name: value for name in FIELDS if (value := getattr(proposal, name)) is not None}
        attempt = guard.attempt(proposal.capability, proposal.action, **fields)
        try:
            await attempt.__aenter__()
        except AndonError as error:
            return self._answer(guard, error)
        ttl_s = self._settings.permit_ttl_s
        opened = _Open(attempt, proposal.workflow, time.monotonic() + ttl_s)
        self._open[attempt.event_id] = opened
        return self._answer(guard).model_copy(
            update={"permit": attempt.event_id, "expires_in_s": ttl_s}
        )

    def traced(self, event: Event) -> Event:
        """The event, with the approval in its decision trace where people have approved its permit
        and it moved no other amounts than they saw."""
        opened = self._open.get(event.event_id)
        if opened is None or opened.workflow != event.workflow:
            return event
        admission = opened.attempt.admission
        if not (admission and admission.approval) or _differ(event, opened.attempt):
            return event
        trace = {"decided": {"approval": {"request": admission.approval}}}
        return event.model_copy(update={"decision": merged(trace, event.decision or {})})

    def told(self, event: Event) -> None:
        """An event is in the log: where it ends a permit, settle it."""
        opened = self._open.get(event.event_id)
        if opened is None or opened.workflow != event.workflow:
            return
        del self._open[event.event_id]
        attempt = opened.attempt
        for name in ("target", "value", "currency", "recipients"):
            if (value := getattr(event, name)) is not None:
                setattr(attempt, name, value)
        attempt.outcome = event.outcome
        attempt.settle()

    async def close(self) -> None:
        """Deliver what waits and stop."""
        guards, self._guards = list(self._guards.values()), OrderedDict()
        await asyncio.gather(*(asyncio.to_thread(guard.close, 2.0) for guard in guards))

    async def _guard(self, proposal: Proposal) -> Guard:
        key = (proposal.workflow, proposal.automation, proposal.mode.value)
        if key not in self._guards:
            with suppress(BrokerError):
                await self._link.commands()  # a pause of this moment holds from the first action
        if key not in self._guards:
            self._guards[key] = self._made(proposal)
            if len(self._guards) > self._settings.guards_max:
                _, idle = self._guards.popitem(last=False)
                await asyncio.to_thread(idle.close)
        self._guards.move_to_end(key)
        guard = self._guards[key]
        if self._link.ready:
            await asyncio.to_thread(guard.ready, READY_S)
        return guard

    def _made(self, proposal: Proposal) -> Guard:
        loop = asyncio.get_running_loop()
        guard = Guard(
            proposal.workflow,
            proposal.automation,
            fail=self._settings.fail,
            stale_after_s=self._settings.stale_after_s,
            ledger=self._ledger,
            mode=proposal.mode,
            transport=HubTransport(proposal.workflow, self._hub, self._link.write, loop),
        )
        if self._policies is None:
            guard.policies.await_them()
        else:
            guard.policies.use(self._policies)
        return guard

    def _answer(self, guard: Guard, error: AndonError | None = None) -> Permit:
        breaker = guard.state
        known = bool(guard.stats()["andon_guard_connected"])
        generation = error.generation if isinstance(error, BreakerOpen) else breaker.generation
        return Permit(
            allow=error is None,
            state=breaker.state if known else None,
            generation=generation,
            reason=None if error is None else str(error),
            field=getattr(error, "field", None),
            review=error.ticket.id if isinstance(error, ReviewNeeded) else None,
        )

    def _forget_old_permits(self) -> None:
        now_s = time.monotonic()
        while self._open:
            event_id, oldest = next(iter(self._open.items()))
            if oldest.until_s > now_s and len(self._open) < PERMITS_MAX:
                return
            oldest.attempt.outcome = Outcome.SUCCESS
            oldest.attempt.settle()
            del self._open[event_id]


def _differ(event: Event, attempt: Attempt) -> bool:
    """Whether an event tells of other amounts than were asked for."""
    amounts = ("value", "currency", "recipients")
    return any(getattr(event, name) != getattr(attempt, name) for name in amounts)
