"""The audit record, page by page, oldest first.

Each page reads the topic anew from where it has to begin, so nothing has to be kept between pages:
a cursor says after which line, in the order of time, to go on.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import NamedTuple, Self

from andon.commands import Audit, AuditKind
from andon.events import format_ts, parse_ts
from streams.audit_log import read_audit

_BEGINNING = datetime.fromtimestamp(0, UTC)


class Cursor(NamedTuple):
    """The last line of a page."""

    ts: datetime
    audit_id: str

    def __str__(self) -> str:
        text = f"{format_ts(self.ts)} {self.audit_id}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises ValueError: it was not told by a page."""
        try:
            ts, audit_id = base64.b64decode(text + "==", "-_", True).decode().split(" ", 1)
            return cls(parse_ts(ts), audit_id)
        except ValueError:
            raise ValueError("is no cursor: take the one that the last page has told") from None


class Wanted(NamedTuple):
    """Which lines. `since` is the earliest time of any."""

    workflow: str | None = None
    kind: AuditKind | None = None
    since: datetime | None = None
    after: Cursor | None = None

    @property
    def begin(self) -> datetime:
        """The earliest time that a line of the page may have."""
        return max(self.since or _BEGINNING, self.after.ts if self.after else _BEGINNING)

    def takes(self, line: Audit) -> bool:
        return (
            self.workflow in (None, line.workflow)
            and self.kind in (None, line.kind)
            and line.ts >= self.begin
            and (self.after is None or _place(line) > self.after)
        )


class Page(NamedTuple):
    """Some lines, and where the next ones begin; None where these are the last."""

    lines: list[Audit]
    next: Cursor | None


async def read_page(bootstrap_servers: str, wanted: Wanted, limit: int) -> Page:
    """The first `limit` lines that are wanted. Raises BrokerError."""
    since_ms = int(wanted.begin.timestamp() * 1000) or None
    lines, _ = await read_audit(bootstrap_servers, wanted.takes, since_ms=since_ms)
    page = sorted(lines, key=_place)[:limit]
    return Page(page, _place(page[-1]) if len(lines) > limit else None)


def _place(line: Audit) -> Cursor:
    return Cursor(line.ts, line.audit_id)
