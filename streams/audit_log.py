"""What was written down: the audit records, read as people ask for them."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import ValidationError

from andon.commands import Audit
from andon.events import AHEAD_MAX_S
from andon.topics import AUDIT
from streams.topic_reader import open_topics


async def read_audit(
    bootstrap_servers: str, keep: Callable[[Audit], bool], *, since_ms: int | None = None
) -> tuple[list[Audit], list[str]]:
    """The records to keep, oldest first, each once; and a line for each that was skipped.

    A monitor that was killed writes its last records a second time, with the same ids.

    Raises:
        BrokerError: no broker, or no topic.
    """
    kept: dict[str, Audit] = {}
    unreadable = []
    async with open_topics(bootstrap_servers, AUDIT) as reader:
        if since_ms is not None:
            await reader.begin_at(since_ms - AHEAD_MAX_S * 1000)  # so far may `ts` be ahead
        async for record in reader.new_records():
            try:
                audit = Audit.model_validate_json(record.value or b"")
            except ValidationError as error:
                place = f"{record.topic} partition {record.partition} offset {record.offset}"
                unreadable.append(f"{place}: {error.errors()[0]['msg']}")
                continue
            if keep(audit):
                kept.setdefault(audit.audit_id, audit)
    return sorted(kept.values(), key=lambda audit: audit.ts), unreadable
