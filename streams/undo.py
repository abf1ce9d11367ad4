"""A person orders one action to be undone; a guard that knows how carries it out and reports."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime

from andon.approvals import Undo
from andon.approvals_log import Request
from andon.commands import Audit, Reason
from andon.errors import AndonError
from andon.events import Event, Mode, Outcome
from andon.ids import derived_id
from andon.signing import NO_KEYS, Keys
from andon.topics import APPROVALS, AUDIT
from streams.approvals import Requests, checked, open_requests, write
from streams.event_log import Found, find_event

LOOK_EVERY_S = 0.2


class UndoError(AndonError):
    """An action that cannot be undone, or was not; says why and what to do."""


async def undo(
    bootstrap_servers: str,
    event_id: str,
    reason: str,
    user: str,
    wait_s: int,
    keys: Keys = NO_KEYS,
) -> Request:
    """Order an action to be undone and wait for the guard's report; the request with it.

    A guard has to begin within `wait_s`; one that has begun is waited for as long again.

    Raises:
        ValueError: the reason or the user is empty or too long; names it.
        SigningKeyError: the order has to be signed, and there is no key.
        UndoError: the event is not there or cannot be undone, no guard did it, or it failed.
        BrokerError: no broker, or it failed halfway.
    """
    checked(reason=reason, user=user)
    event = _undoable(event_id, await find_event(bootstrap_servers, event_id))
    async with open_requests(bootstrap_servers, keys.verifier) as requests:
        order = Undo(
            request_id=secrets.token_hex(6),
            workflow=event.workflow,
            issued_at=datetime.now(UTC),
            issued_by=f"user:{user}",
            event=event,
            reason=reason,
            expires_s=wait_s,
        )
        order = keys.sign(order)
        await write(bootstrap_servers, [(APPROVALS, order)])
        request = await _reported(requests, order, wait_s)
        await write(bootstrap_servers, [(AUDIT, _audit(order, request))])
    return _judged(request, event, wait_s)


def _undoable(event_id: str, found: Found) -> Event:
    event = found.event
    if event is None:
        raise UndoError(f"the log has no event {event_id}: look at its id, or it is too old")
    if found.reversals:
        by = found.reversals[0]
        raise UndoError(f"{event_id} was undone at {by.ts:%Y-%m-%d %H:%M:%S} UTC ({by.event_id})")
    if event.mode is not Mode.LIVE:
        raise UndoError(
            f"{event_id} is of mode {event.mode}: nothing happened that could be undone"
        )
    if event.outcome is not Outcome.SUCCESS:
        raise UndoError(f"{event_id} ended as {event.outcome}: there is nothing to undo")
    if event.reverses:
        raise UndoError(f"{event_id} is itself a reversal, of {event.reverses}")
    return event


async def _reported(requests: Requests, order: Undo, wait_s: float) -> Request:
    """The request once a guard has reported, or has not begun in time, or time ran out."""
    clock = asyncio.get_running_loop().time
    begin_by = clock() + wait_s
    while True:
        await requests.refresh()
        request = requests.log.requests[order.request_id]
        late = clock() > (begin_by + wait_s if request.claim else begin_by)
        if request.done or request.refused or late:
            return request
        await asyncio.sleep(LOOK_EVERY_S)


def _judged(request: Request, event: Event, wait_s: int) -> Request:
    done, claim = request.done, request.claim
    if done and done.outcome == "success":
        return request
    if done:
        raise UndoError(f"the undo of {event.action} failed in {done.guard}: {done.reason}")
    if claim:
        raise UndoError(
            f"{claim.guard} has begun to undo {event.action} and has not reported: look whether "
            "it happened before you try again"
        )
    if request.refused:
        raise UndoError("; ".join(request.refused))
    raise UndoError(
        f"no running guard of {event.workflow} has taken up {event.action} within {wait_s} s: "
        f"start the automation, or have it loaded here with --load {_module_of(event)}"
    )


def _module_of(event: Event) -> str:
    """Where the undo is defined, as far as the event's decision trace tells."""
    executed = (event.decision or {}).get("executed")
    named = executed.get("undo") if isinstance(executed, dict) else None
    return str(named or "MODULE").partition(":")[0]


def _audit(order: Undo, request: Request) -> Audit:
    done = request.done
    became = f"{done.outcome}, {done.event_id or done.reason}" if done else "not done"
    text = f"undo {order.event.action} ({order.event.event_id}): {became}: {order.reason}"
    return Audit(
        audit_id=derived_id("audit-undo", order.request_id),
        ts=order.issued_at,
        kind="undo",
        workflow=order.workflow,
        actor=order.issued_by,
        reason=Reason(text=text, event_ids=[order.event.event_id]),
    )
