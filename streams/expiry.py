"""What people have ordered for a time: its end is carried out in their name, when it has come."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime

from andon.breaker import Cause, State
from andon.commands import Command
from andon.errors import BrokerError, TransitionError
from andon.reopening import needs_second_person
from andon.signing import Keys
from streams import control

ENDS = {
    State.OPEN: Cause.RESET,
    State.FORCED_OPEN: Cause.RESET,
    State.METRICS_ONLY: Cause.RELEASE,
    State.DISABLED: Cause.RELEASE,
}
"""How a state ends whose time is over: a pause in a trial, what was not enforced by being so."""

log = logging.getLogger("andon.expiry")


def due(commands: Iterable[Command], now: datetime) -> list[Command]:
    """Those of the commands that hold whose time is over, and that one person may end by then."""
    return [
        command
        for command in commands
        if command.expires_at is not None
        and command.expires_at <= now
        and command.state in ENDS
        and not needs_second_person(command, ENDS[command.state], now)
    ]


async def end(
    bootstrap_servers: str, commands: Iterable[Command], now: datetime, keys: Keys
) -> None:
    """End what is due. Of several monitors that do so at once, the log takes the first."""
    for command in due(commands, now):
        try:
            await control.end(bootstrap_servers, command, ENDS[command.state], keys)
        except (TransitionError, BrokerError) as error:
            log.info("%s has not ended: %s", command.workflow, error)
