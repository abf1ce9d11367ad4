"""How a paused workflow comes back, and what becomes of the calls that were refused meanwhile."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from andon.quantities import DURATION_SCHEMA, Duration, format_duration, parse_duration
from andon.rule import PolicyModel

HELD_MAX = 10_000
"""The most calls that one guard may be told to hold: each keeps its arguments in memory."""


class Trial(PolicyModel):
    """On trial a workflow may run `permits` actions in each `every`, whatever the number of its
    guards; `pass` good ones end the trial.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    permits: Annotated[int, Field(ge=1)] = Field(10, description="actions that may run on trial")
    every: Duration = Field(
        60, description="permits that are not used by then lapse; new ones come"
    )
    passes: Annotated[int, Field(ge=1)] = Field(
        10, alias="pass", description="good ones that end the trial"
    )

    @model_validator(mode="after")
    def _can_be_passed(self) -> Trial:
        if self.passes > self.permits:
            raise ValueError("pass: cannot be more than `permits`; nobody could pass the trial")
        return self


class Slow(PolicyModel):
    """A workflow that has passed its trial runs `permits` actions in each `every`, for a while."""

    model_config = ConfigDict(serialize_by_alias=True)

    permits: Annotated[int, Field(ge=1)] = Field(description="actions of all its guards together")
    every: Duration = Field(
        60, description="permits that are not used by then lapse; new ones come"
    )
    lasts: Duration = Field(alias="for", description="then it runs freely")

    def __str__(self) -> str:
        every, lasts = format_duration(self.every), format_duration(self.lasts)
        return f"limited to {self.permits:,} in {every}, for {lasts}"


class Backlog(PolicyModel):
    """Calls that a pause refuses are held, `at_most` so many by each guard. Where `release` is set,
    each guard runs that many in each `every` once the workflow is CLOSED; else people do.
    """

    release: Annotated[int, Field(ge=1)] | None = None
    every: Duration = 60
    at_most: Annotated[int, Field(ge=1, le=HELD_MAX)] = 1000

    @property
    def gap_ns(self) -> int:
        """Nanoseconds from one release to the next: evenly, so that `every` holds no burst."""
        assert self.release is not None
        return -(-self.every * 10**9 // self.release)

    @model_validator(mode="after")
    def _paces_something(self) -> Backlog:
        if self.release is None and "every" in self.model_fields_set:
            raise ValueError("every: goes with `release`, as in `{release: 10, every: 1m}`")
        return self


_BACKLOG_SAYS = "must be drop, hold, {at_most: 200} or {release: 10, every: 1m, at_most: 1000}"


def _backlog(value: Any) -> Any:
    if value == "drop":
        return None
    if value == "hold":
        return Backlog()
    if isinstance(value, Backlog) or (isinstance(value, dict) and value):
        return value
    raise ValueError(_BACKLOG_SAYS)


def _backlog_text(backlog: Backlog | None) -> str | dict[str, Any]:
    if backlog is None:
        return "drop"
    return backlog.model_dump(mode="json", exclude_defaults=True) or "hold"


def _backlog_schema() -> dict[str, Any]:
    at_most = {"type": "integer", "minimum": 1, "maximum": HELD_MAX}
    release = {"type": "integer", "minimum": 1}
    paced = {"release": release, "every": DURATION_SCHEMA, "at_most": at_most}
    held = {"release": {"type": "null"}, "at_most": at_most}
    shape = {"type": "object", "additionalProperties": False}
    return {
        "anyOf": [
            {"enum": ["drop", "hold"]},
            shape | {"properties": paced, "required": ["release"]},
            shape | {"properties": held, "minProperties": 1},
        ]
    }


def _wait(value: object) -> object:
    return None if value == "manual" else parse_duration(value)


def _wait_text(seconds: int | None) -> str:
    return "manual" if seconds is None else format_duration(seconds)


class Recover(PolicyModel):
    """How a paused workflow comes back. `after` is None where only a person may bring it back."""

    after: Annotated[
        int | None,
        BeforeValidator(_wait),
        PlainSerializer(_wait_text, when_used="json"),
        WithJsonSchema({"anyOf": [{"const": "manual"}, DURATION_SCHEMA]}),
    ] = None
    after_max: Duration | None = Field(
        None, description="pauses in a row last longer each time, up to this; else all alike"
    )
    trial: Trial = Trial()
    slow: Slow | None = Field(None, description="a limited rate between the trial and `then`")
    backlog: Annotated[
        Backlog | None,
        BeforeValidator(_backlog),
        PlainSerializer(_backlog_text, when_used="json"),
        WithJsonSchema(_backlog_schema()),
    ] = Field(None, description="what guards do with the calls that a pause refuses")
    then: Literal["closed"] = "closed"
    second_person: Duration | None = Field(
        None, description="so long after a person has let it go, it takes two to let it go again"
    )

    @model_validator(mode="after")
    def _grows_from_after(self) -> Recover:
        if self.after_max is not None and self.after is None:
            raise ValueError(
                "after_max: is of no use where only people end a pause; write `after: 15m`, "
                "or remove this"
            )
        if self.after_max is not None and self.after_max < (self.after or 0):
            raise ValueError("after_max: cannot be shorter than `after`, which it is the most of")
        return self

    def wait_s(self, trips: int) -> int | None:
        """How long pause number `trips` in a row lasts: that often `after`, at most `after_max`.

        None where only a person may end it.
        """
        if self.after is None or self.after_max is None:
            return self.after
        return min(self.after * max(1, trips), self.after_max)

    def trips(self, before: int, healthy_s: float) -> int | None:
        """Which pause in a row one is that begins now, after `before` and time in health since.

        Each `after` in health takes one off, as in Envoy's outlier ejection
        (`base_ejection_time`, `max_ejection_time`). None where all pauses are alike.
        """
        if self.after is None or self.after_max is None:
            return None
        return max(0, before - int(max(0.0, healthy_s) // self.after)) + 1
