"""The workflows whose pause was held back because too many were paused at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from andon.breaker import Breaker, Cause
from andon.commands import Audit, Command
from andon.signing import NO_KEYS, Keys
from andon.topics import COMMANDS
from streams.audit_log import read_audit
from streams.commands_log import open_log


async def read_held_back(
    bootstrap_servers: str, within: timedelta, keys: Keys = NO_KEYS
) -> list[Audit]:
    """The newest `held-back` record of each workflow that nothing has moved since and that could
    still be paused, oldest first.

    Raises:
        BrokerError: no broker, or no topics.
    """
    since = datetime.now(UTC) - within
    records, _ = await read_audit(
        bootstrap_servers,
        lambda audit: audit.kind == "held-back" and audit.ts >= since,
        since_ms=int(since.timestamp() * 1000),
    )
    async with open_log(bootstrap_servers, COMMANDS, verifier=keys.verifier) as log:
        return still_held(records, log.commands)


def still_held(records: Sequence[Audit], commands: dict[str, Command]) -> list[Audit]:
    """The newest record of each workflow whose breaker stands as it did then."""
    newest = {record.workflow: record for record in records}
    return [record for record in newest.values() if _stands(record, commands.get(record.workflow))]


def _stands(record: Audit, command: Command | None) -> bool:
    breaker = Breaker(command.state, command.generation) if command else Breaker()
    return breaker.generation == (record.generation or 0) and breaker.can(Cause.TRIP)
