"""`GET /v1/audit`: what Andon saw and did, and who did what."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from andon.commands import Audit, AuditKind
from andon.events import parse_ts
from api.audit_pages import Cursor, Wanted, read_page
from api.auth import AuditReader
from api.backend import Backend
from api.openapi import answers
from api.problems import FieldProblem, invalid

router = APIRouter(tags=["audit"])


class AuditPage(BaseModel):
    """Lines of the audit record, oldest first."""

    lines: list[Audit]
    next: str | None = Field(None, description="the cursor of the next page; null: this is the end")


@router.get("/v1/audit", operation_id="listAudit", responses=answers())
async def list_audit(
    caller: AuditReader,
    backend: Backend,
    workflow: Annotated[str | None, Query(max_length=200)] = None,
    kind: AuditKind | None = None,
    since: Annotated[
        str | None, Query(description="RFC 3339", examples=["2026-01-31T08:00:00Z"])
    ] = None,
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> AuditPage:
    """The audit record, filtered, a page at a time."""
    wanted = Wanted(workflow, kind, _time(since), _cursor(cursor))
    page = await read_page(backend.bootstrap_servers, wanted, limit)
    return AuditPage(lines=page.lines, next=str(page.next) if page.next else None)


def _time(since: str | None) -> datetime | None:
    try:
        return parse_ts(since) if since is not None else None
    except ValueError as error:
        raise invalid([FieldProblem(field="since", detail=str(error))]) from None


def _cursor(cursor: str | None) -> Cursor | None:
    try:
        return Cursor.read(cursor) if cursor is not None else None
    except ValueError as error:
        raise invalid([FieldProblem(field="cursor", detail=str(error))]) from None
