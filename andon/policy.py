"""Policies: which rates are watched, over which windows, and what happens at a bound."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Field,
    field_validator,
    model_validator,
)

from andon.auto_pause import AutoPause
from andon.convert import Convert
from andon.events import Capability
from andon.globs import CapabilityGlobs, Globs, matches
from andon.limit import Limit, Scope
from andon.quantities import Duration, format_duration, parse_duration
from andon.recover import Backlog, Recover, Slow, Trial
from andon.rule import RATE_FIELDS, SAME_FIELDS, SHARES, PolicyModel, Rate, Rule, Where
from andon.whose import Whose, WhoseBreaker

__all__ = [
    "PRESETS",
    "RATE_FIELDS",
    "SAME_FIELDS",
    "SHARES",
    "Alerting",
    "AutoPause",
    "Backlog",
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
        if self.recover.backlog is not None:
            yield "recover: `backlog` belongs to workflows; put it into a policy without `breaker`"

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
        return first_of(self.matching(automation, capability), workflow)

    def matching(self, automation: str, capability: str) -> tuple[tuple[int, Globs], ...]:
        """The places of the policies of workflows that match, and the workflows of each."""
        return tuple(
            (place, policy.match.workflow)
            for place, policy in enumerate(self.policies)
            if policy.breaker.kind is None
            and matches(policy.match.automation, automation)
            and matches(policy.match.capability, capability)
        )


def first_of(matching: tuple[tuple[int, Globs], ...], workflow: str) -> int | None:
    """The place of the first of `PolicyBook.matching` whose globs match the workflow, or None."""
    return next((place for place, globs in matching if matches(globs, workflow)), None)
