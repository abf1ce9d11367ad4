"""The second stage: events that a policy of a scope matches are forwarded, keyed by the scope.

Pure. Whoever reads a partition of events writes down what this says; a line of scopes then judges
the events of all workflows, as any line does, under the name of the scope.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from andon.errors import EventError
from andon.events import Mode, parse_event
from andon.globs import matches
from andon.policy import Policy, PolicyBook
from andon.rule import Rate
from andon.scope_names import Kind, scope_name, scope_of
from detectors.columns import Columns
from detectors.wire import WireEvent, from_event

POLICY_FIELD = "andon_policy"
"""The policy of a scope by which an event was forwarded, and by which it is judged."""
WORKFLOW_LABEL = "andon_workflow"
"""The label that keeps the event's own workflow."""
POLICY_LABEL = "andon_failed_by"
"""The label that keeps the policy by which a workflow failed."""
FAILING = "andon:failing"
"""Stands for a policy where a workflow's detection is noted: it fails on a target."""
REMEMBERED_MAX = 1 << 17

_FIELDS = [field for field in WireEvent.__struct_fields__ if field != POLICY_FIELD]


class Forward(NamedTuple):
    """One record to write for the second stage, and the event of the batch that it is of."""

    at: int
    scope: str
    value: bytes


class Forwarder:
    """Of a policy of each kind of scope the first that matches an event forwards it."""

    def __init__(self, book: PolicyBook) -> None:
        self._named = [each for each in book.policies if each.breaker.target is not None]
        scoped = [
            each
            for each in book.policies
            if each.breaker.kind and each.rules and each.mode != "off"
        ]
        self._policies = {
            kind: [each for each in scoped if each.breaker.kind is kind] for kind in Kind
        }
        self.idle = not scoped
        self._by_target = any(each.match.target for each in scoped)
        self._found: dict[tuple[str | None, ...], tuple[Policy, ...]] = {}

    def forwards(self, columns: Columns) -> list[Forward]:
        """What is to be written of a batch, in log order."""
        return [
            Forward(at, scope, _written(event, scope, policy.name))
            for at, event in enumerate(() if self.idle else columns.events)
            for scope, policy in self.scopes(columns, at, event)
        ]

    def failing(self, columns: Columns, at: int, policy: Policy, rate: Rate) -> Forward | None:
        """The note that a workflow fails on a target, where a detection says so."""
        event = columns.events[at]
        if rate not in (Rate.ERROR, Rate.DENIED) or event.target is None:
            return None
        names = (
            p.breaker.target for p in self._named if matches(p.match.target or (), event.target)
        )
        scope = scope_name(Kind.TARGET, next(names, None) or event.target)
        return Forward(at, scope, _written(event, scope, FAILING, {POLICY_LABEL: policy.name}))

    def scopes(self, columns: Columns, at: int, event: WireEvent) -> Iterator[tuple[str, Policy]]:
        """The scopes that an event is in, each with the policy by which it is."""
        if event.mode != Mode.LIVE:
            return
        for policy in self._matching(event):
            whose = policy.breaker
            tenant = None
            if whose.kind is Kind.TENANT:
                tenant = _label(columns.records.values[columns.record[at]], whose.tenant_label)
            if scope := whose.scope(event.automation, event.target, tenant):
                yield scope, policy

    def _matching(self, event: WireEvent) -> tuple[Policy, ...]:
        target = event.target if self._by_target else None
        place = (event.workflow, event.automation, event.capability, target)
        found = self._found.get(place)
        if found is None:
            if len(self._found) >= REMEMBERED_MAX:
                self._found.clear()
            firsts = (
                next((each for each in policies if _matches(each, event)), None)
                for policies in self._policies.values()
            )
            found = self._found[place] = tuple(each for each in firsts if each)
        return found


def parse_forwarded(raw: bytes | None, *, key: bytes | None, append_ms: int | None) -> WireEvent:
    """Read one record of the second stage, under the name of its scope.

    Raises:
        EventError: it was not forwarded.
    """
    try:
        told: dict[str, Any] = json.loads(raw or b"")
        scope, own = told["workflow"], told["labels"][WORKFLOW_LABEL]
        known = scope_of(scope) is not None and isinstance(told[POLICY_FIELD], str)
    except (ValueError, KeyError, TypeError, RecursionError):
        known = False
    if not known:
        raise EventError("workflow", "is none of a scope: this topic is for the monitor alone")
    if key is not None and key != scope.encode():
        raise EventError("workflow", f"must equal the record key {key!r}")
    event = from_event(
        parse_event(json.dumps(told | {"workflow": own}).encode(), append_ms=append_ms)
    )
    event.workflow, event.andon_policy = scope, told[POLICY_FIELD]
    return event


def _matches(policy: Policy, event: WireEvent) -> bool:
    match = policy.match
    if match.target is not None and not matches(match.target, event.target):
        return False
    return match.accepts(event.workflow, event.automation, event.capability)


def _written(
    event: WireEvent, scope: str, policy: str, labels: Mapping[str, str] = MappingProxyType({})
) -> bytes:
    """What rules look at; the whole event stands in the first topic, under the same id."""
    fields = {name: value for name in _FIELDS if (value := getattr(event, name)) is not None}
    labels = {WORKFLOW_LABEL: event.workflow, **labels}
    more = {"workflow": scope, POLICY_FIELD: policy, "labels": labels}
    return msgspec.json.encode(fields | more)


def labels_of(value: bytes | None) -> dict[str, Any]:
    """The labels of a record that is an event."""
    told = json.loads(value or b"")
    event = told["data"] if "specversion" in told else told
    labels: dict[str, Any] = event.get("labels", {})
    return labels


def _label(value: bytes | None, name: str) -> str | None:
    label = labels_of(value).get(name)
    return None if label is None else str(label)[:500].encode(errors="replace").decode()
