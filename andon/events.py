"""The Execute event, version 1: what an automation did, or tried to do, to the world."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from andon.errors import EventError
from andon.ids import uuid7
from andon.scope_names import RESERVED, own_name

AHEAD_MAX_S = 300
"""How far `ts` may run ahead of the broker's append time."""

_EPOCH = datetime.fromtimestamp(0, UTC)
_MICROSECOND = timedelta(microseconds=1)


class Capability(StrEnum):
    """The six ways in which an automation changes the world."""

    SEND = "send"
    UPDATE = "update"
    TRIGGER = "trigger"
    TRANSACT = "transact"
    NAVIGATE = "navigate"
    LOOP = "loop"


class Outcome(StrEnum):
    """How the attempt ended; `denied` means refused before it changed anything."""

    SUCCESS = "success"
    ERROR = "error"
    DENIED = "denied"


class By(StrEnum):
    """Who acted. Only `automation` counts as the workflow's own attempt."""

    AUTOMATION = "automation"
    HUMAN = "human"
    SYSTEM = "system"


class Mode(StrEnum):
    """Whether the action was real. Only `live` counts in rates."""

    LIVE = "live"
    SHADOW = "shadow"
    SANDBOX = "sandbox"


_RFC3339 = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)


def parse_ts(text: object) -> datetime:
    """RFC 3339 with an offset, to UTC; digits past the microsecond are dropped.

    A leap second, 23:59:60 UTC, is read as the second after it, as Unix time has it.

    Raises:
        ValueError: the text is no such time.
    """
    if isinstance(text, datetime):
        if text.tzinfo is None:
            raise ValueError("must carry an offset, as in 2026-01-31T08:00:00Z")
        return text.astimezone(UTC)
    if not isinstance(text, str) or not re.fullmatch(_RFC3339, text):
        raise ValueError("must be RFC 3339 with an offset, as in 2026-01-31T08:00:00Z")
    text, leap = text.upper(), text[17:19] == "60"
    try:
        ts = datetime.fromisoformat(f"{text[:17]}59{text[19:]}" if leap else text).astimezone(UTC)
        if leap and (ts.hour, ts.minute) != (23, 59):
            raise ValueError("may have a second 60 at 23:59 UTC only")
        return ts + timedelta(seconds=1) if leap else ts
    except OverflowError as error:
        raise ValueError(f"is out of range: {error}") from None


def format_ts(ts: datetime) -> str:
    """RFC 3339 in UTC with a Z: milliseconds where that is exact, microseconds otherwise."""
    precision = "microseconds" if ts.microsecond % 1000 else "milliseconds"
    return ts.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


Timestamp = Annotated[
    datetime,
    BeforeValidator(parse_ts),
    PlainSerializer(format_ts, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": f"^{_RFC3339}$"}),
]


def _unicode(text: str) -> str:
    # JSON can escape half a surrogate pair; no UTF-8 can write it again.
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be Unicode text, without half surrogate pairs") from None
    return text


Text = Annotated[str, AfterValidator(_unicode)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Currency = Annotated[str, Field(pattern=r"^[A-Za-z]{3}$")]


class Event(BaseModel):
    """One Execute action that was attempted, or one reversal of an earlier action."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)

    event_id: str = Field(
        default_factory=uuid7, min_length=1, max_length=128, description="unique; a UUIDv7 does"
    )
    ts: Timestamp = Field(description="when the action took effect")
    workflow: Annotated[Name, AfterValidator(own_name)] = Field(
        description="the unit that is paused; the record key",
        json_schema_extra={"not": {"pattern": RESERVED}},
    )
    automation: Name = Field(description="the agent, bot or flow that acted")
    capability: Annotated[Capability, Field(strict=False)]
    action: Name = Field(description="what it did, as in refund.create")
    target: Annotated[str, Field(max_length=500)] | None = Field(
        None, description="the record, recipient or system acted on"
    )
    outcome: Annotated[Outcome, Field(strict=False)]
    value: Annotated[float, Field(ge=0)] | None = Field(
        None, description="money moved, in units of `currency`; a refund is positive"
    )
    currency: Currency | None = Field(None, description="three letters; needed with `value`")
    recipients: Annotated[int, Field(ge=0, le=2**53)] | None = Field(
        None, description="people reached by one send"
    )
    reverses: Text | None = Field(
        None, description="`event_id` of the earlier action that this one undoes"
    )
    by: Annotated[By, Field(strict=False)] = By.AUTOMATION
    mode: Annotated[Mode, Field(strict=False)] = Mode.LIVE
    run: Text | None = Field(None, description="the agent run (loop) it belongs to")
    step: int | None = Field(None, description="the position in that run")
    reason: Text | None = Field(None, description="why denied, failed or reversed")
    decision: dict[str, Any] | None = Field(
        None,
        description="what the automation saw and decided, under which policy; not interpreted",
    )
    traceparent: Text | None = Field(None, description="W3C trace context")
    labels: dict[str, Any] = Field(default_factory=dict, description="free; never interpreted")

    @model_validator(mode="after")
    def _value_has_a_currency(self) -> Event:
        if self.value is not None and self.currency is None:
            raise ValueError("currency: is required with value, as in USD")
        return self

    def to_json(self) -> bytes:
        """The record value: UTF-8 JSON without the fields that are null."""
        return self.model_dump_json(exclude_none=True).encode()


def parse_event(
    raw: bytes | None, *, key: bytes | None = None, append_ms: int | None = None
) -> Event:
    """Read one record: an event, or a structured CloudEvent that carries one as `data`.

    Args:
        raw: the record value, UTF-8 JSON.
        key: the record key; must equal `workflow` where there is one.
        append_ms: the broker's append time, Unix milliseconds, where there is one.

    Raises:
        EventError: names the field (`record` stands for the record as a whole) and the reason;
            its `all` holds every mistake.
    """
    data, constants = _json_object(raw)
    if "specversion" in data:
        data = _cloudevent_data(data)
    mistakes = []
    if "event_id" not in data:  # only the SDK may make one up
        mistakes.append(EventError("event_id", "is required"))
    try:
        event = Event.model_validate(data)
    except ValidationError as error:
        mistakes += [_mistake(entry) for entry in error.errors(include_url=False)]
    if mistakes:
        raise EventError(mistakes[0].field, mistakes[0].reason, mistakes[1:])
    if constants:
        raise EventError("record", f"is not JSON: {constants[0]} is no number in it")
    if key is not None and key != event.workflow.encode():
        raise EventError("workflow", f"must equal the record key {_shown(key)}")
    if append_ms is not None:
        ahead_us = (event.ts - _EPOCH) // _MICROSECOND - append_ms * 1000
        if ahead_us > AHEAD_MAX_S * 1_000_000:
            ahead = f"is {ahead_us / 1_000_000:.1f} s ahead of the broker"
            raise EventError("ts", f"{ahead}; {AHEAD_MAX_S} s is the most")
    return event


def _json_object(raw: bytes | None) -> tuple[dict[str, Any], list[str]]:
    """The object, and the constants (NaN, Infinity) in it that Python reads but JSON forbids.

    They are told after the model's own checks, so that a field that holds one is named.
    """
    constants: list[str] = []

    def keep(name: str) -> float:
        constants.append(name)
        return float(name)

    if raw is None:
        raise EventError("record", "has no value; an event is a JSON object")
    try:
        data = json.loads(raw.decode("utf-8"), parse_constant=keep)
    except UnicodeDecodeError as error:
        raise EventError("record", f"is not UTF-8 at byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        raise EventError("record", f"is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise EventError("record", f"must be a JSON object, not {type(data).__name__}")
    return data, constants


def _cloudevent_data(envelope: dict[str, Any]) -> dict[str, Any]:
    data = envelope.get("data")
    if not isinstance(data, dict):
        raise EventError("data", "of a CloudEvent must be the event as a JSON object")
    return data


def _mistake(entry: Any) -> EventError:
    message = entry["msg"].removeprefix("Value error, ")
    if not entry["loc"]:
        field, _, message = message.partition(": ")
        return EventError(field, message)
    field = ".".join(map(str, entry["loc"]))
    if entry["type"] == "missing":
        return EventError(field, "is required")
    return EventError(field, f"{message[0].lower()}{message[1:]}, got {_shown(entry['input'])}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
