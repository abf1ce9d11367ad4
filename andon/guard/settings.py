"""What a guard may be told, by its caller or else by the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, get_args

from andon.errors import SigningKeyError
from andon.events import Capability
from andon.guard.patterns.rulebook import Guardrails, Rules
from andon.guard.transport import Transport
from andon.scope_names import own_name
from andon.signing import Verifier

PORT = 9092
C = TypeVar("C", bound=str)
_CAPABILITIES = {str(capability): capability for capability in Capability}


def now() -> datetime:
    """What time it is, where no other clock is given."""
    return datetime.now(UTC)


def check(queue_max: int, clock: Callable[[], datetime]) -> None:
    """Raises ValueError where one of them cannot be."""
    if queue_max < 1:
        raise ValueError(f"queue_max: must be 1 or more, not {queue_max}")
    if clock().tzinfo is None:
        raise ValueError("clock: must tell times with an offset, as datetime.now(UTC) does")


def workflow(given: str | None) -> str:
    """A name that is no scope's; raises ValueError as `text` does."""
    name = text("workflow", given)
    try:
        return own_name(name)
    except ValueError as error:
        raise ValueError(f"workflow: {name!r} {error}") from None


def text(name: str, given: str | None, default: str | None = None) -> str:
    """A name of 1 to 200 characters; raises ValueError where there is none."""
    value = given or os.environ.get(_variable(name)) or default
    if not value:
        raise ValueError(f"{name}: is required; pass it or set {_variable(name)}")
    if len(value) > 200:
        raise ValueError(f"{name}: is {len(value)} characters long, 200 is the most")
    return value


def choice(name: str, given: str | None, choices: tuple[C, ...]) -> C:
    """One of the choices, of which the first is the default."""
    value = given or os.environ.get(_variable(name)) or choices[0]
    for known in choices:
        if known == value:
            return known
    raise ValueError(f"{name}: must be one of {', '.join(choices)}, not {value!r}")


def capability(name: Capability | str) -> Capability:
    """One of the six."""
    if known := _CAPABILITIES.get(name):
        return known
    raise ValueError(f"capability: must be one of {', '.join(Capability)}, not {name!r}")


def rules(
    guardrails: Guardrails | None, reversible_only: bool | Collection[str], audit: bool
) -> Rules:
    """What holds for all actions. `reversible_only` is for all, none, or some of the six."""
    mode = choice("guardrails", guardrails, get_args(Guardrails))
    if isinstance(reversible_only, bool):
        return Rules(mode, reversible_only, audit)
    kinds = [reversible_only] if isinstance(reversible_only, str) else reversible_only
    if unknown := [kind for kind in kinds if kind not in _CAPABILITIES]:
        known = f"True, False or some of {', '.join(Capability)}"
        raise ValueError(f"reversible_only: must be {known}, not {unknown[0]!r}")
    return Rules(mode, frozenset(kinds), audit)


def kafka(given: str | Sequence[str] | None, more: Mapping[str, Any]) -> Transport:
    """The transport over Kafka."""
    addresses = servers(given)
    from andon.guard.kafka import KafkaTransport  # slow to import, and not for other transports

    return KafkaTransport(addresses, more)


def servers(given: str | Sequence[str] | None) -> list[str]:
    """Addresses as host:port; raises ValueError where one is none."""
    value = given or os.environ.get("KAFKA_BOOTSTRAP_SERVERS") or f"localhost:{PORT}"
    addresses = value.split(",") if isinstance(value, str) else value
    return [_address(address.strip()) for address in addresses if address.strip()]


def ledger(given: str | None) -> str:
    """The file of the ledger; by default one for each user of this host."""
    state = os.environ.get("XDG_STATE_HOME") or Path("~/.local/state")
    default = Path(state, "andon", "ledger.sqlite3")
    return given or os.environ.get(_variable("ledger")) or os.path.expanduser(default)


def verifier(given: str | Sequence[str] | None) -> Verifier | None:
    """Who tells whether a command is signed with one of these keys; None where there are none."""
    value = given or os.environ.get(_variable("verify_keys")) or ()
    keys = value.split(",") if isinstance(value, str) else value
    try:
        return Verifier([key.strip() for key in keys]) if keys else None
    except SigningKeyError as error:
        raise ValueError(f"verify_keys: {error}") from None


def _address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return f"{text}:{PORT}"
    if not host or not port.isdecimal():
        raise ValueError(f"bootstrap_servers: {text!r} is no address; write host:port")
    return text


def _variable(name: str) -> str:
    return f"ANDON_{name.upper()}"
