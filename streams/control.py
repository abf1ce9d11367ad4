"""What a person may do to a breaker: pause a workflow, let it run again.

How it comes into the log is in streams.orders; when it takes two people, in streams.reopening.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from andon.breaker import Cause
from andon.commands import Command
from andon.policy import Mode
from andon.scope_names import scope_of
from andon.signing import NO_KEYS, Keys
from streams import orders
from streams.orders import Order
from streams.reopening import let_go

PERMITS = 10
_MODES: dict[Mode, Cause] = {
    "enforce": Cause.RELEASE,
    "shadow": Cause.SHADOW,
    "off": Cause.DISABLE,
}


async def trip(
    bootstrap_servers: str,
    workflow: str,
    reason: str,
    user: str,
    *,
    keys: Keys = NO_KEYS,
    expected: int | None = None,
    targets: Sequence[str] = (),
    expires_at: datetime | None = None,
) -> Command:
    """Pause `workflow`, or a scope, by hand, also one that no command was ever written for.

    `expected` is the generation that must still stand; None takes any. `targets` are globs of what
    a target's scope stands for; without them those of its last command, or its name alone.
    `expires_at` is when a monitor is to put it on trial (see streams.expiry).

    Returns the command that holds now.

    Raises:
        ValueError: a name or the reason is empty or too long; names the field.
        TransitionError: it is paused by hand already, or not watched.
        GenerationError: its generation is not the expected one.
        BrokerError: no broker, or it failed halfway.
    """
    order = Order(Cause.TRIP, workflow, reason, user, None, expected, tuple(targets), expires_at)
    return await orders.carry_out(bootstrap_servers, order, keys)


async def reset(
    bootstrap_servers: str,
    workflow: str,
    reason: str,
    user: str,
    permits: int | None = PERMITS,
    *,
    keys: Keys = NO_KEYS,
    expected: int | None = None,
) -> Command:
    """Let `workflow` run again: `permits` actions on trial, or freely where it is None.

    `expected` as for `trip`. A scope runs freely at once: its actions are those of workflows, each
    of which has a trial of its own.

    Returns the command that holds now.

    Raises:
        ValueError, GenerationError, BrokerError: as for `trip`.
        TransitionError: it runs already, is on trial already, or moved at this very moment.
    """
    if scope_of(workflow):
        permits = None
    cause = Cause.RELEASE if permits is None else Cause.RESET
    order = Order(cause, workflow, reason, user, permits, expected)
    return await let_go(bootstrap_servers, order, keys)


async def set_mode(
    bootstrap_servers: str,
    workflow: str,
    mode: Mode,
    reason: str,
    user: str,
    keys: Keys = NO_KEYS,
    expires_at: datetime | None = None,
) -> Command:
    """Let detections pause a running workflow (`enforce`), only be told (`shadow`), or have none.

    Returns the command that holds now.

    Raises:
        ValueError, BrokerError: as for `trip`.
        TransitionError: it is in that mode already, or paused or on trial: reset it first.
    """
    order = Order(_MODES[mode], workflow, reason, user, expires_at=expires_at)
    return await let_go(bootstrap_servers, order, keys)


async def end(bootstrap_servers: str, command: Command, cause: Cause, keys: Keys) -> Command:
    """Carry out what follows from `command`, whose time is over, for the one who ordered it.

    Returns the command that holds now. Raises as `reset`.
    """
    permits = PERMITS if cause is Cause.RESET and not scope_of(command.workflow) else None
    cause = Cause.RELEASE if permits is None else cause
    user = command.issued_by.removeprefix("user:")
    reason = f"its time is over: {command.reason.text}"[:1_000]
    order = Order(cause, command.workflow, reason, user, permits, command.generation)
    return await orders.carry_out(bootstrap_servers, order, keys)
