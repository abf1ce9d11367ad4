"""From what an application told to the bytes of a valid event, without ever losing the action."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from andon.events import Event
from andon.guard.fields import SHAPES
from andon.guard.tally import Tally, told
from andon.guard.transport import Message
from andon.topics import EVENTS

EVENT_MAX_BYTES = 1_000_000
OMITTED_LABEL = "andon_omitted"
"""Field to why it was left out of the event: an unlawful value costs the field, not the event."""
BULKY = ("decision", "labels")


def seal(event: dict[str, Any], tally: Tally) -> Message:
    """The record of one event; what is wrong with it is left out, noted in `labels`, and counted.

    Raises:
        ValueError: the event cannot be mended.
    """
    try:
        raw = _dumped(event)
    except ValueError as error:
        omitted = _culprits(error)
        for field, problem in omitted.items():
            tally.fault("field", field, f"left out of an event, {problem}")
        raw = _dumped(_mended(event, omitted))
    return Message(EVENTS, event["workflow"].encode(), raw)


def _dumped(event: dict[str, Any]) -> bytes:
    raw = Event.model_validate(event).to_json()
    if len(raw) > EVENT_MAX_BYTES:
        raise ValueError(f"{len(raw)} bytes are more than {EVENT_MAX_BYTES}")
    return raw


def _culprits(error: ValueError) -> dict[str, str]:
    """Field to what is wrong with it. What is no field's fault is blamed on the bulky ones."""
    if not isinstance(error, ValidationError):
        return dict.fromkeys(BULKY, told(error))
    return {
        # The one check across fields is that a value has its currency.
        str(problem["loc"][0] if problem["loc"] else "value"): problem["msg"]
        for problem in error.errors(include_url=False, include_context=False)
    }


def _mended(event: dict[str, Any], omitted: dict[str, str]) -> dict[str, Any]:
    mended = {
        field: value
        for field, value in event.items()
        if field not in omitted or field not in SHAPES
    }
    if "value" not in mended or "currency" not in mended:
        mended.pop("value", None)
    mended["labels"] = {**mended.get("labels", {}), OMITTED_LABEL: omitted}
    return mended
