"""Commands, acks, audit lines and alerts for tests: examples, and strategies that vary them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from andon.breaker import Cause, State
from andon.commands import (
    EVIDENCE_MAX,
    Ack,
    Alert,
    Audit,
    Command,
    Heartbeat,
    Position,
    Reason,
    Reopened,
)
from andon.permits import Permits
from tests.andon.documents import NAMES, OBJECTS, TEXT, TIMES

REASON: dict[str, Any] = {
    "text": "USD 5,120 of refunds in one hour; the bound is 5,000.",
    "rule": "money-per-hour",
    "rate": "value",
    "observed": 5120.0,
    "bound": 5000.0,
    "window_s": 3600.0,
    "events": 41,
    "event_ids": ["01938f5e-7d60-7c3e-a1b2-0123456789ab"],
    "group": {"target": "ch_1"},
    "policy": "refunds",
    "policy_version": "0123456789ab",
    "value": {"USD": 5120.0},
}
SOURCE = {"topic": "execute.events", "partition": 3, "offset": 1412}
COMMAND: dict[str, Any] = {
    "command_id": "0f0e4c58-5a51-5d0a-9d6a-5d2c7a1c9b10",
    "workflow": "refunds",
    "generation": 1,
    "state": "OPEN",
    "reason": REASON,
    "issued_at": "2026-01-31T08:00:00.000Z",
    "issued_by": "monitor",
    "expires_at": "2026-01-31T16:00:00.000Z",
    "permits": 10,
    "signature": "v1,c2lnbmVk",
    "previous": "CLOSED",
    "source": SOURCE,
    "cause": "detection",
    "permits_every_s": 60,
    "trips": 2,
    "limited_until": "2026-01-31T08:30:00.000Z",
    "second_person_s": 3600,
    "reopened": {
        "at": "2026-01-31T07:30:00.000Z",
        "by": ["user:ana", "user:bob"],
        "generation": 1,
    },
}
ACK: dict[str, Any] = {
    "workflow": "refunds",
    "generation": 1,
    "guard": "refund-agent-0",
    "automation": "refund-agent",
    "applied_at": "2026-01-31T08:00:00.120Z",
    "in_flight": 2,
}
HEARTBEAT: dict[str, Any] = {
    "workflow": "refunds",
    "guard": "refund-agent-0",
    "automation": "refund-agent",
    "at": "2026-01-31T08:00:05.120Z",
    "generation": 1,
    "state": "OPEN",
    "in_flight": 1,
    "leaving": False,
    "wants": 0,
}
PERMITS: dict[str, Any] = {
    "workflow": "refunds",
    "generation": 2,
    "period": 0,
    "grants": {"refund-agent-0": 6, "refund-agent-1": 4},
    "at": "2026-01-31T08:15:00.120Z",
    "signature": "v1,c2lnbmVk",
}
AUDIT: dict[str, Any] = {
    "audit_id": "0f0e4c58-5a51-5d0a-9d6a-5d2c7a1c9b11",
    "ts": "2026-01-31T08:00:00.000Z",
    "kind": "transition",
    "workflow": "refunds",
    "actor": "user:ana",
    "state": "FORCED_OPEN",
    "previous": "CLOSED",
    "generation": 2,
    "mode": "enforce",
    "reason": {"text": "Ana saw duplicates."},
    "events": 1,
    "source": SOURCE,
}
ALERT: dict[str, Any] = {
    "alert_id": "0f0e4c58-5a51-5d0a-9d6a-5d2c7a1c9b12",
    "kind": "paused",
    "workflow": "refunds",
    "generation": 1,
    "state": "OPEN",
    "severity": "critical",
    "since": "2026-01-31T08:00:00.000Z",
    "title": "refunds is paused: USD 5,120 in one hour",
    "reason": REASON,
    "issued_by": "monitor",
    "resume": "andon reset refunds --reason '...'",
    "runbook": "https://example.com/r",
    "receivers": ["payments-oncall"],
}

STATES = st.sampled_from(State)
ISSUERS = st.just("monitor") | NAMES.filter(lambda name: "\n" not in name).map("user:{}".format)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
COUNTS = st.integers(0, 2**53)


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


POSITIONS = st.builds(Position, topic=NAMES, partition=COUNTS, offset=COUNTS)
REASONS = st.builds(
    Reason,
    text=TEXT,
    rule=_maybe(NAMES),
    rate=_maybe(NAMES),
    observed=_maybe(FLOATS),
    bound=_maybe(FLOATS),
    window_s=_maybe(FLOATS),
    events=_maybe(COUNTS),
    event_ids=st.lists(NAMES, max_size=EVIDENCE_MAX),
    group=_maybe(OBJECTS),
    value=st.dictionaries(NAMES, FLOATS, max_size=2),
)


def commands() -> st.SearchStrategy[Command]:
    return st.builds(
        Command,
        command_id=NAMES,
        workflow=NAMES,
        generation=st.integers(1, 2**53),
        state=STATES,
        reason=REASONS,
        issued_at=TIMES,
        issued_by=ISSUERS,
        expires_at=_maybe(TIMES),
        permits=_maybe(COUNTS),
        signature=_maybe(TEXT),
        previous=_maybe(STATES),
        source=_maybe(POSITIONS),
        cause=_maybe(st.sampled_from(Cause)),
        permits_every_s=_maybe(st.integers(1, 86_400)),
        trips=_maybe(COUNTS),
        limited_until=_maybe(TIMES),
        second_person_s=_maybe(st.integers(1, 2**31)),
        reopened=_maybe(
            st.builds(Reopened, at=TIMES, by=st.lists(NAMES), generation=st.integers(1, 2**53))
        ),
    )


def acks() -> st.SearchStrategy[Ack]:
    return st.builds(
        Ack,
        workflow=NAMES,
        generation=COUNTS,
        guard=NAMES,
        automation=NAMES,
        applied_at=TIMES,
        in_flight=COUNTS,
    )


def heartbeats() -> st.SearchStrategy[Heartbeat]:
    return st.builds(
        Heartbeat,
        workflow=NAMES,
        guard=NAMES,
        automation=NAMES,
        at=TIMES,
        generation=COUNTS,
        state=STATES,
        in_flight=COUNTS,
        leaving=st.booleans(),
        wants=COUNTS,
    )


def permits() -> st.SearchStrategy[Permits]:
    return st.builds(
        Permits,
        workflow=NAMES,
        generation=st.integers(1, 2**53),
        period=COUNTS,
        grants=st.dictionaries(NAMES, COUNTS, max_size=3),
        at=TIMES,
        signature=_maybe(TEXT),
    )


def audits() -> st.SearchStrategy[Audit]:
    return st.builds(
        Audit,
        audit_id=NAMES,
        ts=TIMES,
        kind=st.sampled_from(["detection", "transition", "late", "ack", "leak"]),
        workflow=NAMES,
        state=_maybe(STATES),
        generation=_maybe(COUNTS),
        reason=_maybe(REASONS),
        source=_maybe(POSITIONS),
    )


def alerts() -> st.SearchStrategy[Alert]:
    return st.builds(
        Alert,
        alert_id=NAMES,
        kind=st.sampled_from(["paused", "on_trial", "resumed", "would_pause"]),
        workflow=NAMES,
        generation=COUNTS,
        state=STATES,
        severity=st.sampled_from(["critical", "error", "warning", "info"]),
        since=TIMES,
        title=TEXT,
        reason=REASONS,
        issued_by=ISSUERS,
        resume=TEXT,
        receivers=st.lists(NAMES, max_size=2),
    )
