"""What a person does with questions: see them, approve them, deny them.

An answer is written into the log, which alone decides what counts; so it is read again after the
write, and the person is told what came of it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from andon.approvals import Answer, ApprovalRecord, Ask, parse_approval
from andon.approvals_log import ApprovalsLog, Request, Standing
from andon.commands import Audit, Reason
from andon.errors import AndonError, BrokerError, SignatureError
from andon.ids import derived_id
from andon.signing import NO_KEYS, Keys, Verifier
from andon.topics import APPROVALS, AUDIT
from streams.topic_reader import TopicReader, open_topics

Verdict = Literal["approve", "deny"]


class ApprovalError(AndonError):
    """An answer that cannot be given, or does not count; says why."""


class Requests(NamedTuple):
    """All requests as the log has them, and a line for each record that was skipped."""

    log: ApprovalsLog
    unreadable: list[str]
    reader: TopicReader
    verifier: Verifier | None

    async def refresh(self) -> None:
        """Read on to the present end. Raises BrokerError."""
        async for record in self.reader.new_records():
            try:
                approval = parse_approval(record.value or b"", self.verifier)
                self.log.take(approval, record.timestamp)
            except (ValidationError, SignatureError) as error:
                place = f"{record.topic} partition {record.partition} offset {record.offset}"
                text = error if isinstance(error, SignatureError) else error.errors()[0]["msg"]
                self.unreadable.append(f"{place}: {text}")


@asynccontextmanager
async def open_requests(
    bootstrap_servers: str, verifier: Verifier | None = None
) -> AsyncIterator[Requests]:
    """The requests, read to the present end.

    Raises:
        BrokerError: no broker within 5 s, or no topic.
    """
    async with open_topics(bootstrap_servers, APPROVALS) as reader:
        requests = Requests(ApprovalsLog(), [], reader, verifier)
        await requests.refresh()
        yield requests


async def answer(
    bootstrap_servers: str,
    request_id: str,
    verdict: Verdict,
    reason: str,
    user: str,
    keys: Keys = NO_KEYS,
) -> Request:
    """Approve or deny a request, whose id may be told by its beginning or its end alone.

    Returns the request as it stands then.

    Raises:
        ValueError: the reason or the user is empty or too long; names it.
        ApprovalError: there is no such request, or the answer does not count.
        SigningKeyError: it has to be signed, and there is no key.
        BrokerError: no broker, or it failed halfway.
    """
    checked(reason=reason, user=user)
    async with open_requests(bootstrap_servers, keys.verifier) as requests:
        request = one(requests.log, request_id)
        assert isinstance(request.order, Ask)
        written = Answer(
            request_id=request.order.request_id,
            workflow=request.order.workflow,
            issued_at=datetime.now(UTC),
            issued_by=f"user:{user}",
            verdict=verdict,
            digest=request.order.digest,
            reason=reason,
        )
        written = keys.sign(written)
        refused_before = len(request.refused)
        await write(bootstrap_servers, [(APPROVALS, written)])
        await requests.refresh()
        if refused := request.refused[refused_before:]:
            raise ApprovalError(f"{request.order.request_id}: {'; '.join(refused)}")
        await write(bootstrap_servers, [(AUDIT, _audit(written, request.order))])
        return request


def checked(*, reason: str, user: str) -> None:
    """Raises ValueError where one is empty or too long; names it."""
    for name, text, longest in (("reason", reason, 1_000), ("user", user, 200)):
        if not text.strip() or len(text) > longest:
            raise ValueError(f"{name}: must have 1 to {longest:,} characters, not only blanks")


async def write(
    bootstrap_servers: str, records: Sequence[tuple[str, ApprovalRecord | Audit]]
) -> None:
    """Write records to their topics, under their workflows. Raises BrokerError."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, enable_idempotence=True)
    try:
        await producer.start()
        for topic, record in records:
            await producer.send_and_wait(topic, record.to_json(), key=record.workflow.encode())
    except KafkaError as error:
        raise BrokerError(f"the broker failed halfway: {error!r}") from None
    finally:
        await producer.stop()


def shown(request: Request) -> dict[str, Any]:
    """One request and how it stands, ready for JSON."""
    now_ms = time.time() * 1000
    standing = request.standing(now_ms)
    return request.order.model_dump(mode="json") | {
        "standing": standing,
        "expires_in_s": max(0, round((request.expires_ms - now_ms) / 1000)),
        "missing": request.missing,
        "approved_by": sorted(request.approvals),
        "denied_by": request.denial.issued_by if request.denial else None,
        "answers": _answers(request),
        "used_by": request.claim.guard if request.claim else None,
        "refused": request.refused,
    }


def _answers(request: Request) -> list[str]:
    answers = [*request.approvals.values(), *([request.denial] if request.denial else [])]
    return [f"{each.issued_by}: {each.reason}" for each in answers]


def one(log: ApprovalsLog, request_id: str) -> Request:
    """The question that can still be answered. Raises ApprovalError where there is no such one."""
    found = [each for each in log.find(request_id) if isinstance(each.order, Ask)]
    if not found:
        raise ApprovalError(f"nobody has asked for {request_id}: see `andon approvals list`")
    if len(found) > 1:
        ids = ", ".join(each.order.request_id for each in found)
        raise ApprovalError(f"{request_id} may mean {ids}: say more of it")
    (request,) = found
    standing = request.standing(time.time() * 1000)
    if standing not in (Standing.PENDING, Standing.APPROVED):
        raise ApprovalError(f"{request.order.request_id}: too late, it is {standing}")
    return request


def _audit(answer: Answer, ask: Ask) -> Audit:
    verb = "approved" if answer.verdict == "approve" else "denied"
    text = f"{verb} {ask.action} ({ask.request_id}, {ask.arguments}): {answer.reason}"
    return Audit(
        audit_id=derived_id("audit-answer", answer.request_id, answer.issued_by, answer.verdict),
        ts=answer.issued_at,
        kind="approval",
        workflow=answer.workflow,
        actor=answer.issued_by,
        reason=Reason(text=text),
    )
