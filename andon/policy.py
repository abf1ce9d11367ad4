"""Policies: which rates are watched, over which windows, and what happens at a bound."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from andon.events import Capability, Currency

_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: object) -> int:
    """Seconds of `90s`, `15m`, `1h`, `24h` or `7d`.

    Raises:
        ValueError: the text is no such duration.
    """
    match = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text) if isinstance(text, str) else None
    if not match:
        raise ValueError("must be a duration such as 90s, 15m, 1h or 7d")
    return int(match[1]) * _UNIT_S[match[2]]


def format_duration(seconds: float) -> str:
    """The shortest of `90s`, `15m`, `24h`, `7d` that is exact; days only from two on."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0 and (unit != "d" or seconds >= 2 * size):
            return f"{seconds // size:g}{unit}"
    return f"{seconds:g}s"


def parse_bound(value: object) -> float:
    """A number, or a share such as `5%`.

    Raises:
        ValueError: neither of the two, or below zero.
    """
    if isinstance(value, str):
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*%", value.strip())
        if not match:
            raise ValueError("must be a number such as 5000, or a share such as 5%")
        # Divided, not multiplied by 0.01: 7/100 is the float that 7 of 100 events give.
        return float(match[1]) / 100
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number such as 5000, or a share such as 5%")
    if not 0 <= value < float("inf"):
        raise ValueError("must be zero or more")
    return float(value)


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^[1-9][0-9]{0,8}[smhd]$", "examples": ["24h"]}),
]
Bound = Annotated[
    float,
    BeforeValidator(parse_bound),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": "%$"}]}
    ),
]
Globs = Annotated[tuple[str, ...], BeforeValidator(_as_list), Field(strict=False, min_length=1)]


class Rate(StrEnum):
    """What is computed over a window."""

    ERROR = "error"
    DENIED = "denied"
    REVERSAL = "reversal"
    VOLUME = "volume"
    VALUE = "value"
    DUPLICATE = "duplicate"
    STEPS = "steps"


SHARES = frozenset({Rate.ERROR, Rate.DENIED, Rate.REVERSAL})
"""Rates with a denominator."""

_FIELDS: dict[Rate, frozenset[str]] = {
    Rate.ERROR: frozenset({"min", "per"}),
    Rate.DENIED: frozenset({"min", "per"}),
    Rate.REVERSAL: frozenset({"min", "per", "weigh", "attribute", "currency"}),
    Rate.VOLUME: frozenset({"per", "of"}),
    Rate.VALUE: frozenset({"per", "currency"}),
    Rate.DUPLICATE: frozenset({"per", "same"}),
    Rate.STEPS: frozenset(),
}
"""The fields that mean something for a rate, beside those that every rule has."""

SAME_FIELDS = (
    "action",
    "target",
    "value",
    "currency",
    "recipients",
    "automation",
    "capability",
    "run",
)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Where(_Model):
    """Globs or exact values; an event passes when every named field matches one of its own."""

    action: Globs | None = None
    target: Globs | None = None
    automation: Globs | None = None
    capability: Globs | None = None
    outcome: Globs | None = None
    by: Globs | None = None

    def passes(self, event: Any) -> bool:
        """True where `event` (anything with these attributes) matches; null matches no glob."""
        return all(_matches(globs, getattr(event, field)) for field, globs in self.named)

    @cached_property
    def named(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The fields that are set, with their globs."""
        return tuple((name, globs) for name, globs in self if globs is not None)


def _matches(globs: Sequence[str], value: str | None) -> bool:
    return value is not None and any(fnmatchcase(value, glob) for glob in globs)


class Rule(_Model):
    """A rate, a window and a bound."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    rate: Annotated[Rate, Field(strict=False)]
    over: Duration
    above: Bound | None = None
    at_least: Bound | None = None
    min: Annotated[int, Field(ge=1)] = 1
    where: Where = Where()
    per: Literal["target", "automation", "action", "run"] | None = None
    currency: Currency | None = None
    of: Literal["events", "recipients"] = "events"
    weigh: Literal["count", "value"] = "count"
    attribute: Literal["arrival", "cohort"] = "cohort"
    same: Annotated[tuple[str, ...], BeforeValidator(_as_list), Field(strict=False)] = ()
    method: Literal["window"] = "window"

    @property
    def bound(self) -> float:
        """The one of `above` and `at_least` that is set."""
        bound = self.at_least if self.above is None else self.above
        assert bound is not None
        return bound

    def crossed(self, observed: float) -> bool:
        """True where `observed` is beyond the bound: strictly for `above`."""
        return observed > self.bound if self.above is not None else observed >= self.bound

    @field_validator("same")
    @classmethod
    def _same_is_known(cls, same: tuple[str, ...]) -> tuple[str, ...]:
        for field in same:
            if field not in SAME_FIELDS:
                raise ValueError(f"knows no field {field!r}; use of {', '.join(SAME_FIELDS)}")
        return same

    @model_validator(mode="after")
    def _fits_its_rate(self) -> Rule:
        problems = list(self._misfits())
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _misfits(self) -> Any:
        if (self.above is None) == (self.at_least is None):
            yield "above: exactly one of `above` (more) and `at_least` (this or more) is needed"
        elif self.rate in SHARES and self.attribute != "arrival" and self.bound > 1:
            yield f"above: a share is at most 1; write {self.bound:g}% or {self.bound / 100:g}"
        choosy = frozenset().union(*_FIELDS.values())
        for field in sorted((self.model_fields_set & choosy) - _FIELDS[self.rate]):
            takers = ", ".join(sorted(rate for rate in Rate if field in _FIELDS[rate]))
            yield f"{field}: means nothing for rate {self.rate}; remove it (it belongs to {takers})"
        if self.rate is Rate.VALUE and self.currency is None:
            yield "currency: rate value needs one, as in `currency: USD`"
        if self.weigh == "value" and self.currency is None:
            yield "currency: `weigh: value` needs one, as in `currency: USD`"
        if self.rate is Rate.DUPLICATE and not self.same:
            yield "same: rate duplicate needs it, as in `same: [action, target, value]`"


class Limit(_Model):
    """The most that one action may do; the guard enforces it before the action runs."""

    value: Annotated[float, Field(gt=0)] | None = None
    currency: Currency | None = None
    recipients: Annotated[int, Field(gt=0)] | None = None
    where: Where = Where()
    then: Literal["review", "sandbox", "deny"] = "deny"

    @model_validator(mode="after")
    def _limits_something(self) -> Limit:
        if (self.value is None) == (self.recipients is None):
            raise ValueError("value: a limit needs either `value` with `currency`, or `recipients`")
        if (self.value is None) != (self.currency is None):
            raise ValueError("currency: goes with `value`, and `value` with it")
        return self


class Scope(_Model):
    """Allow-lists of globs; what is not listed is denied. A list that is absent allows all."""

    actions: Globs | None = None
    targets: Globs | None = None


class Trial(_Model):
    """On trial a workflow may run `permits` actions; after `pass` good ones it runs freely."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    permits: Annotated[int, Field(ge=1)] = 10
    passes: Annotated[int, Field(ge=1, alias="pass")] = 10

    @model_validator(mode="after")
    def _can_be_passed(self) -> Trial:
        if self.passes > self.permits:
            raise ValueError("pass: cannot be more than `permits`; nobody could pass the trial")
        return self


def _wait(value: object) -> object:
    return None if value == "manual" else parse_duration(value)


def _wait_text(seconds: int | None) -> str:
    return "manual" if seconds is None else format_duration(seconds)


class Recover(_Model):
    """How a paused workflow comes back. `after` is None where only a person may bring it back."""

    after: Annotated[
        int | None,
        BeforeValidator(_wait),
        PlainSerializer(_wait_text, when_used="json"),
        WithJsonSchema({"anyOf": [{"const": "manual"}, {"type": "string", "pattern": "[smhd]$"}]}),
    ] = None
    trial: Trial = Trial()
    then: Literal["closed"] = "closed"


class Alerting(_Model):
    """Who is told, how loudly, and what they should read."""

    severity: Literal["critical", "error", "warning", "info"] = "critical"
    receivers: Annotated[tuple[str, ...], Field(strict=False)] = ()
    runbook: str | None = None


class Match(_Model):
    """Globs; every one that is named must match."""

    workflow: Globs = ("*",)
    automation: Globs = ("*",)
    capability: Globs = ("*",)

    @field_validator("capability")
    @classmethod
    def _matches_a_capability(cls, globs: tuple[str, ...]) -> tuple[str, ...]:
        for glob in globs:
            if not any(fnmatchcase(capability, glob) for capability in Capability):
                raise ValueError(f"{glob!r} matches none of {', '.join(Capability)}")
        return globs

    def accepts(self, workflow: str, automation: str, capability: str) -> bool:
        """True where all three match."""
        return (
            _matches(self.workflow, workflow)
            and _matches(self.automation, automation)
            and _matches(self.capability, capability)
        )


class Policy(_Model):
    """What is watched for the workflows that match, and what happens then."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    match: Match = Match()
    mode: Literal["enforce", "shadow", "off"] = "enforce"
    rules: Annotated[tuple[Rule, ...], Field(strict=False)] = ()
    limits: Annotated[tuple[Limit, ...], Field(strict=False)] = ()
    scope: Scope = Scope()
    recover: Recover = Recover()
    alert: Alerting = Alerting()

    @property
    def longest_window_s(self) -> int:
        """Seconds; 0 without rules."""
        return max((rule.over for rule in self.rules), default=0)

    @cached_property
    def version(self) -> str:
        """Twelve hex digits that change with the content."""
        return hashlib.sha256(
            self.model_dump_json(by_alias=True, exclude_defaults=True).encode()
        ).hexdigest()[:12]

    @field_validator("rules")
    @classmethod
    def _rules_have_their_own_names(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        seen: set[str] = set()
        for rule in rules:
            if rule.name in seen:
                raise ValueError(f"two rules are named {rule.name!r}; give each its own name")
            seen.add(rule.name)
        return rules


class PolicyBook(_Model):
    """All policies of a file, in order: the first that matches an event is its policy."""

    version: Literal[1]
    policies: Annotated[tuple[Policy, ...], Field(strict=False)]

    @field_validator("policies")
    @classmethod
    def _policies_have_their_own_names(cls, policies: tuple[Policy, ...]) -> tuple[Policy, ...]:
        if not policies:
            raise ValueError("must hold at least one policy")
        names = [policy.name for policy in policies]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two policies are named {name!r}; give each its own name")
        return policies

    def find(self, workflow: str, automation: str, capability: str) -> int | None:
        """The place of the first policy that matches, or None."""
        for place, policy in enumerate(self.policies):
            if policy.match.accepts(workflow, automation, capability):
                return place
        return None
