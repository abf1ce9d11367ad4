"""Policies: which rates are watched, over which windows, and what happens at a bound."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from andon.auto_pause import AutoPause
from andon.convert import Convert
from andon.events import Capability
from andon.globs import CapabilityGlobs, Globs, matches
from andon.limit import Limit, Scope
from andon.quantities import DURATION_SCHEMA, Duration, format_duration, parse_duration
from andon.rule import RATE_FIELDS, SAME_FIELDS, SHARES, PolicyModel, Rate, Rule, Where
from andon.whose import Whose, WhoseBreaker

__all__ = [
    "PRESETS",
    "RATE_FIELDS",
    "SAME_FIELDS",
    "SHARES",
    "Alerting",
    "AutoPause",
    "Convert",
    "Limit",
    "Match",
    "Mode",
    "Obey",
    "Policy",
    "PolicyBook",
    "Rate",
    "Recover",
    "Rule",
    "Scope",
    "Slow",
    "Trial",
    "Where",
    "format_duration",
    "parse_duration",
]

Mode = Literal["enforce", "shadow", "off"]
"""What a detection does: pauses, is only told, or is not looked for."""

PRESETS = tuple(f"preset/{capability}" for capability in Capability)
"""What a policy in a file may extend: one preset for each way to change the world."""


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


class Obey(PolicyModel):
    """When a pause counts as not obeyed, and the second lever is pulled."""

    within: Duration = Field(
        10, description="the grace time: by then guards answer and actions have ceased"
    )


class Alerting(PolicyModel):
    """Who is told, how loudly, and what they should read."""

    severity: Literal["critical", "error", "warning", "info"] = "critical"
    receivers: Annotated[tuple[str, ...], Field(strict=False)] = ()
    runbook: str | None = None


class Match(PolicyModel):
    """Globs; every one that is named must match."""

    workflow: Globs = ("*",)
    automation: Globs = ("*",)
    capability: CapabilityGlobs = ("*",)
    target: Globs | None = Field(
        None, description="only in a policy of a scope; null: any, or none"
    )

    def accepts(self, workflow: str, automation: str, capability: str) -> bool:
        """True where all three match; of `target` it says nothing."""
        return (
            matches(self.workflow, workflow)
            and matches(self.automation, automation)
            and matches(self.capability, capability)
        )


def _off(value: object) -> object:
    """YAML 1.1 reads the bare word `off` as false."""
    return "off" if value is False else value


class Policy(PolicyModel):
    """What is watched for the workflows that match, and what happens then."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    match: Match = Match()
    breaker: WhoseBreaker = Field(Whose(), description="whose breaker its rules move")
    mode: Annotated[Mode, BeforeValidator(_off)] = Field(
        "enforce", description="pause, only tell, or do nothing"
    )
    rules: Annotated[tuple[Rule, ...], Field(strict=False)] = ()
    convert: Convert | None = Field(
        None, description="what other currencies are worth in the rules of one"
    )
    limits: Annotated[tuple[Limit, ...], Field(strict=False)] = ()
    scope: Scope = Scope()
    recover: Recover = Recover()
    obey: Obey = Obey()
    alert: Alerting = Alerting()

    @property
    def built_in(self) -> bool:
        """Whether Andon itself has it, and no book of people."""
        return self.name.startswith("andon:")

    @property
    def longest_window_s(self) -> int:
        """Seconds; 0 without rules."""
        return max((rule.over for rule in self.rules), default=0)

    @cached_property
    def version(self) -> str:
        """Twelve hex digits that change with the content."""
        return hashlib.sha256(self.to_json()).hexdigest()[:12]

    def to_json(self) -> bytes:
        """The record value, UTF-8 JSON: what a file has to say for the same policy, no more."""
        return self.model_dump_json(exclude_defaults=True).encode()

    @model_validator(mode="after")
    def _converts_for_a_rule(self) -> Policy:
        convert = self.convert
        if convert is not None and not any(convert.takes(rule.currency) for rule in self.rules):
            text = f"no rule of this policy counts {convert.to}; write `currency: {convert.to}`"
            raise ValueError(f"convert: {text} in one, or remove this")
        return self

    @model_validator(mode="after")
    def _fits_its_breaker(self) -> Policy:
        if problems := list(self._misfits()):
            raise ValueError("\n".join(problems))
        return self

    def _misfits(self) -> Iterator[str]:
        if self.breaker.kind is None:
            if self.match.target is not None:
                text = "is for a policy of a scope; use `where: {target: ...}` in the rules"
                yield f"match: `target` {text}, or name its `breaker`"
            return
        if self.breaker.target is not None and self.match.target is None:
            yield "match: needs `target`, the globs of what `breaker` stands for, as in ch_*"
        for field in ("limits", "scope"):
            if field in self.model_fields_set:
                yield f"{field}: belongs to workflows; put it into a policy without `breaker`"

    @field_validator("rules")
    @classmethod
    def _rules_have_their_own_names(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        seen: set[str] = set()
        for rule in rules:
            if rule.name in seen:
                raise ValueError(f"two rules are named {rule.name!r}; give each its own name")
            seen.add(rule.name)
        return rules


class PolicyBook(PolicyModel):
    """All policies of a file, in order: the first that matches an event is its policy.

    Policies of scopes are apart: of each kind of scope the first that matches counts too.
    """

    version: Literal[1]
    policies: Annotated[tuple[Policy, ...], Field(strict=False, json_schema_extra={"minItems": 1})]
    auto_pause: AutoPause = AutoPause()

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

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hex digits that change with any of the policies, and with their order."""
        parts = [policy.to_json() for policy in self.policies if not policy.built_in]
        if self.auto_pause != AutoPause():
            parts.append(self.auto_pause.model_dump_json().encode())
        return hashlib.sha256(b"\n".join(parts)).hexdigest()[:12]

    def find(self, workflow: str, automation: str, capability: str) -> int | None:
        """The place of the first policy of workflows that matches, or None."""
        for place, policy in enumerate(self.policies):
            if policy.breaker.kind is None and policy.match.accepts(
                workflow, automation, capability
            ):
                return place
        return None
