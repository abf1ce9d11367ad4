"""To let a workflow go again so soon takes two people: one asks on `andon.approvals`, another
approves, and the approval is carried out in the name of both.

What is approved is one generation of the breaker: where it has moved meanwhile, nothing is done.
Asked again, it is the same request; where it was approved and not carried out, it is now.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from pydantic import ValidationError

from andon.approvals import Ask, Claim
from andon.approvals_log import ApprovalsLog, Request, Standing
from andon.commands import Command
from andon.errors import TransitionError
from andon.events import Capability
from andon.ids import uuid7
from andon.reopening import ACTION, EXPIRES_S, Reopening
from andon.signing import NO_KEYS, Keys
from andon.topics import APPROVALS, COMMANDS
from streams import approvals, orders
from streams.approvals import ApprovalError, Verdict, open_requests
from streams.commands_log import open_log
from streams.orders import AloneError, GenerationError, Order


class SecondPersonError(TransitionError):
    """Nothing was done yet: another person has been asked. `request` is what they are asked."""

    def __init__(self, text: str, request: Request) -> None:
        super().__init__(text)
        self.request = request


async def let_go(bootstrap_servers: str, order: Order, keys: Keys) -> Command:
    """Carry out an order that may let a workflow go, or ask for a second person where it takes one.

    Returns the command that holds now.

    Raises:
        SecondPersonError: another person has to approve; it tells the request.
        ValueError, TransitionError, GenerationError, BrokerError: as `orders.carry_out`.
    """
    try:
        return await orders.carry_out(bootstrap_servers, order, keys)
    except AloneError as error:
        wanted, told = _wanted(order, error.last), str(error)
    request = await _asked(bootstrap_servers, wanted, order.user, keys)
    if request.approvals:  # the approval was not carried out: whoever gave it failed halfway
        return await _carry_out(bootstrap_servers, request, wanted, keys)
    left_s = max(0, request.expires_ms / 1000 - time.time())
    raise SecondPersonError(
        f"{told}; another person has {left_s / 60:.0f} minutes for: "
        f'andon approvals approve {request.order.request_id} --reason "why it is safe"',
        request,
    )


async def answer(
    bootstrap_servers: str,
    request_id: str,
    verdict: Verdict,
    reason: str,
    user: str,
    keys: Keys = NO_KEYS,
) -> Request:
    """As `streams.approvals.answer`; the approval of a reopening carries it out.

    Raises:
        ApprovalError: also where the breaker has moved since it was asked.
        ValueError, SigningKeyError, BrokerError: as there.
    """
    approvals.checked(reason=reason, user=user)
    give = (bootstrap_servers, request_id, verdict, reason, user, keys)
    async with open_requests(bootstrap_servers, keys.verifier) as requests:
        request = approvals.one(requests.log, request_id)
    wanted = _read(request)
    if wanted is None or verdict == "deny":
        return await approvals.answer(*give)
    await _check(bootstrap_servers, wanted, request, keys)
    if f"user:{user}" not in request.approvals:
        request = await approvals.answer(*give)
    try:
        await _carry_out(bootstrap_servers, request, wanted, keys)
    except TransitionError as error:
        raise ApprovalError(f"{request.order.request_id}: superseded: {error}") from None
    return request


def _wanted(order: Order, last: Command) -> Reopening:
    assert last.reopened is not None
    return Reopening(
        workflow=order.workflow,
        generation=last.generation,
        state=last.state,
        cause=order.cause,
        permits=order.permits,
        reason=order.reason,
        let_go_at=last.reopened.at,
        let_go_by=last.reopened.by,
    )


async def _asked(servers: str, wanted: Reopening, user: str, keys: Keys) -> Request:
    """This person's request that can still be approved or used; written where there is none."""
    async with open_requests(servers, keys.verifier) as requests:
        if found := _same(requests.log, wanted, user):
            return found
        ask = keys.sign(_ask(wanted, user))
        await approvals.write(servers, [(APPROVALS, ask)])
        await requests.refresh()
        return requests.log.requests[ask.request_id]


def _same(log: ApprovalsLog, wanted: Reopening, user: str) -> Request | None:
    now_ms = time.time() * 1000
    for ask, request in log.asks(ACTION, wanted.digest):
        open_still = request.standing(now_ms) in (Standing.PENDING, Standing.APPROVED)
        if open_still and ask.issued_by == f"user:{user}" and _read(request) == wanted:
            return request
    return None


def _ask(wanted: Reopening, user: str) -> Ask:
    by = " and ".join(each.removeprefix("user:") for each in wanted.let_go_by)
    let_go = f"{by} let it go at {wanted.let_go_at:%Y-%m-%d %H:%M:%S} UTC"
    return Ask(
        request_id=uuid7(),
        workflow=wanted.workflow,
        issued_at=datetime.now(UTC),
        issued_by=f"user:{user}",
        guard="control",
        capability=Capability.TRIGGER,
        action=ACTION,
        arguments=wanted.arguments,
        digest=wanted.digest,
        reasons=[f"{let_go}; {user} wants to do so again: {wanted.reason}"],
        expires_s=EXPIRES_S,
        reopens=wanted.generation,
    )


def _read(request: Request) -> Reopening | None:
    """What a request wants to be carried out: what people are shown, and nothing else.

    Raises ApprovalError where it is no sound one; None where it is a guard's.
    """
    ask = request.order
    if not isinstance(ask, Ask) or ask.reopens is None:
        return None
    try:
        wanted = Reopening.model_validate_json(ask.arguments)
    except ValidationError:
        raise ApprovalError(f"{ask.request_id}: its arguments are no reopening") from None
    told = (wanted.workflow, wanted.generation, wanted.digest)
    if told != (ask.workflow, ask.reopens, ask.digest) or not ask.issued_by.startswith("user:"):
        raise ApprovalError(f"{ask.request_id}: its arguments are not what it asks for")
    return wanted


async def _check(servers: str, wanted: Reopening, request: Request, keys: Keys) -> None:
    """Raises ApprovalError where the breaker has moved: an approval would be of no use."""
    order = _order(request, wanted, "nobody")
    async with open_log(servers, COMMANDS, verifier=keys.verifier) as log:
        try:
            order.command(log.commands.get(wanted.workflow))
        except GenerationError as error:
            raise ApprovalError(f"{request.order.request_id}: superseded: {error}") from None


async def _carry_out(servers: str, request: Request, wanted: Reopening, keys: Keys) -> Command:
    """Let it go, and note that the approval is used."""
    approver = next(iter(request.approvals))  # the first is enough
    by = approver.removeprefix("user:")
    command = await orders.carry_out(servers, _order(request, wanted, by), keys)
    request_id, workflow = request.order.request_id, wanted.workflow
    request.claim = Claim(
        request_id=request_id, workflow=workflow, claim_id=command.command_id, guard=approver
    )
    await approvals.write(servers, [(APPROVALS, request.claim)])
    return command


def _order(request: Request, wanted: Reopening, approved_by: str) -> Order:
    return Order(
        wanted.cause,
        wanted.workflow,
        wanted.reason,
        request.order.issued_by.removeprefix("user:"),
        wanted.permits,
        expected=wanted.generation,
        approved_by=approved_by,
    )
