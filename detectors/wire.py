"""The event as msgspec reads it: the same contract as `andon.events.Event`, five times as fast.

Whatever this decoder takes, pydantic takes with the same values; what it refuses is read again by
pydantic, whose word counts. A property test holds the two together.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from andon.events import Event, format_ts

Name = Annotated[str, Meta(min_length=1, max_length=200)]


class AnyObject(Struct, gc=False):
    """Checks that a value is an object, without keeping it."""


class WireEvent(Struct, gc=False):
    """One record's value; `ts` and `currency` are checked a batch at a time (see columns)."""

    event_id: Annotated[str, Meta(min_length=1, max_length=128)]
    ts: str
    workflow: Name
    automation: Name
    capability: Literal["send", "update", "trigger", "transact", "navigate", "loop"]
    action: Name
    outcome: Literal["success", "error", "denied"]
    target: Annotated[str, Meta(max_length=500)] | None = None
    value: Annotated[float, Meta(ge=0)] | None = None
    currency: Annotated[str, Meta(min_length=3, max_length=3)] | None = None
    recipients: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    reverses: str | None = None
    by: Literal["automation", "human", "system"] = "automation"
    mode: Literal["live", "shadow", "sandbox"] = "live"
    run: str | None = None
    step: int | None = None
    reason: str | None = None
    decision: AnyObject | None = None
    traceparent: str | None = None
    labels: AnyObject | UnsetType = UNSET
    specversion: msgspec.Raw | UnsetType = UNSET  # a CloudEvent, which pydantic reads


decode = msgspec.json.Decoder(WireEvent).decode
"""Bytes to WireEvent; raises msgspec.MsgspecError."""


UNREADABLE = WireEvent("", "", "", "", "send", "", "denied")
"""Stands in for a record that msgspec refused, until pydantic has had its say."""


def from_event(event: Event) -> WireEvent:
    """The same event after pydantic has read it."""
    fields = event.model_dump(mode="python", exclude={"ts", "decision", "labels"})
    return WireEvent(ts=format_ts(event.ts), **fields)
