"""Where every workflow stands, for `andon status` and whoever else shows it."""

from __future__ import annotations

from typing import Any

from andon.alert_text import finding, resume_command
from andon.breaker import State
from andon.commands import Ack, Command
from andon.events import format_ts
from andon.signing import NO_KEYS, Keys
from andon.topics import ACKS, COMMANDS
from streams.commands_log import open_log


async def read_standings(bootstrap_servers: str, keys: Keys = NO_KEYS) -> dict[str, Any]:
    """`workflows`: an object for each that a command was ever written for, by name;
    `unreadable`: a line for each record that was skipped. Ready for JSON.

    Raises:
        BrokerError: no broker, or no topics.
    """
    async with open_log(bootstrap_servers, COMMANDS, ACKS, verifier=keys.verifier) as log:
        rows = [
            standing(log.commands[name], log.acks.get(name, {})) for name in sorted(log.commands)
        ]
        return {"workflows": rows, "unreadable": log.unreadable}


def standing(command: Command, acks: dict[str, Ack]) -> dict[str, Any]:
    """One workflow, in people's words and in the contract's."""
    return {
        "workflow": command.workflow,
        "state": command.state,
        "label": command.state.label,
        "since": format_ts(command.issued_at),
        "generation": command.generation,
        "permits": command.permits,
        "expires_at": command.expires_at and format_ts(command.expires_at),
        "issued_by": command.issued_by,
        "why": finding(command.reason) or command.reason.text,
        "reason": command.reason.model_dump(mode="json", exclude_none=True),
        "resume": _resume(command),
        "acks": [
            {**ack.model_dump(mode="json"), "obeys": ack.generation >= command.generation}
            for _, ack in sorted(acks.items())
        ],
    }


def _resume(command: Command) -> str | None:
    """Who can let it run again, and how; None where it runs."""
    if command.state is State.HALF_OPEN:
        return f"the trial, or a person: {resume_command(command.workflow, now=True)}"
    if not command.state.refuses:
        return None
    alone = (
        f"the monitor, on trial at {format_ts(command.expires_at)}, or "
        if command.expires_at
        else ""
    )
    return f"{alone}a person: {resume_command(command.workflow)}"
