"""A rule of a policy: a rate, a window and a bound."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from andon.events import Currency
from andon.globs import ByGlobs, CapabilityGlobs, Globs, OutcomeGlobs, as_list, matches, one_or_more
from andon.quantities import Bound, Duration, Odds, Usual


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

RATE_FIELDS: dict[Rate, frozenset[str]] = {
    Rate.ERROR: frozenset({"min", "per"}),
    Rate.DENIED: frozenset({"min", "per"}),
    Rate.REVERSAL: frozenset({"min", "per", "weigh", "attribute", "currency"}),
    Rate.VOLUME: frozenset({"per", "of", "floor"}),
    Rate.VALUE: frozenset({"per", "currency", "floor"}),
    Rate.DUPLICATE: frozenset({"per", "same"}),
    Rate.STEPS: frozenset(),
}
"""The fields that mean something for a rate, beside those that every rule has."""

UNKNOWN_AN_HOUR = {"events": 250.0, "recipients": 1000.0, "value": 5000.0}
"""What counts as usual within an hour while nothing is known; the `floor` where none is written."""

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


class PolicyModel(BaseModel):
    """Part of a file that a person writes: a field that is not known is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Where(PolicyModel):
    """Globs or exact values; an event passes when every named field matches one of its own."""

    action: Globs | None = None
    target: Globs | None = None
    automation: Globs | None = None
    capability: CapabilityGlobs | None = None
    outcome: OutcomeGlobs | None = None
    by: ByGlobs | None = None

    def passes(self, event: Any) -> bool:
        """True where `event` (anything with these attributes) matches; null matches no glob."""
        return all(matches(globs, getattr(event, field)) for field, globs in self.named)

    @cached_property
    def named(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The fields that are set, with their globs."""
        return tuple((name, globs) for name, globs in self if globs is not None)


class Rule(PolicyModel):
    """A rate, a window and a bound."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    rate: Annotated[Rate, Field(strict=False)]
    over: Duration = Field(description="the trailing window, by event time")
    above: Bound | None = Field(None, description="crossed by more than this")
    at_least: Bound | None = Field(None, description="crossed by this or more")
    min: Annotated[int, Field(ge=1)] = Field(1, description="fewest events in the denominator")
    where: Where = Where()
    per: Literal["target", "automation", "action", "run"] | None = Field(
        None, description="count within each such group of the workflow"
    )
    currency: Currency | None = Field(None, description="the money that is counted")
    of: Literal["events", "recipients"] = Field("events", description="what volume counts")
    weigh: Literal["count", "value"] = Field("count", description="what reversal counts")
    attribute: Literal["arrival", "cohort"] = Field(
        "cohort", description="a reversal counts when it arrives, or with the action it undoes"
    )
    same: Annotated[
        tuple[str, ...],
        BeforeValidator(as_list),
        Field(strict=False),
        one_or_more({"enum": list(SAME_FIELDS)}),
    ] = Field((), description="events that agree on these are duplicates")
    method: Literal["window", "evidence"] = Field(
        "window", description="crossed by the window's rate, or by proof that the rate is above"
    )
    false_trips: Odds | None = Field(
        None, description="for evidence: at the bound itself, a trip in this many events"
    )
    floor: Annotated[float, Field(gt=0)] | None = Field(
        None, description="the least that a bound such as `4x usual` may come to"
    )

    @property
    def bound(self) -> float:
        """The one of `above` and `at_least` that is set; against usual, the least it may be."""
        bound = self._written_bound
        assert bound is not None
        return (self.floor or self.unknown) if isinstance(bound, Usual) else bound

    @property
    def usual(self) -> Usual | None:
        """The bound, where it is one against the workflow's own history."""
        return self._written_bound if isinstance(self._written_bound, Usual) else None

    @property
    def unknown(self) -> float:
        """What counts as usual while nothing is known, in the rule's unit."""
        counted = "value" if self.rate is Rate.VALUE else self.of
        return max(UNKNOWN_AN_HOUR[counted] * max(1.0, self.over / 3600), self.floor or 0.0)

    @property
    def _written_bound(self) -> float | Usual | None:
        return self.at_least if self.above is None else self.above

    def crossed(self, observed: float) -> bool:
        """True where `observed` is beyond `bound`: strictly for `above`."""
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

    def _misfits(self) -> Iterator[str]:
        if (self.above is None) == (self.at_least is None):
            yield "above: exactly one of `above` (more) and `at_least` (this or more) is needed"
        elif self.usual is not None:
            yield from self._usual_misfits()
        elif self.rate in SHARES and self.attribute != "arrival" and self.bound > 1:
            field = "at_least" if self.above is None else "above"
            yield f"{field}: a share is at most 1; write {self.bound:g}% or {self.bound / 100:g}"
        choosy = frozenset().union(*RATE_FIELDS.values())
        for field in sorted((self.model_fields_set & choosy) - RATE_FIELDS[self.rate]):
            takers = ", ".join(sorted(rate for rate in Rate if field in RATE_FIELDS[rate]))
            yield f"{field}: means nothing for rate {self.rate}; remove it (it belongs to {takers})"
        if self.rate is Rate.VALUE and self.currency is None:
            yield "currency: rate value needs one, as in `currency: USD`"
        if self.weigh == "value" and self.currency is None:
            yield "currency: `weigh: value` needs one, as in `currency: USD`"
        if self.rate is Rate.DUPLICATE and not self.same:
            yield "same: rate duplicate needs it, as in `same: [action, target, value]`"
        takes_floor = "floor" in RATE_FIELDS[self.rate]
        if self.usual is None and self.floor is not None and takes_floor:
            yield "floor: belongs to a bound such as `4x usual`; write one, or remove this"
        if self.method == "evidence":
            yield from self._evidence_misfits()
        elif self.false_trips is not None:
            yield "false_trips: is a promise of `method: evidence`; add that or remove this"

    def _usual_misfits(self) -> Iterator[str]:
        field = "at_least" if self.above is None else "above"
        if self.rate not in (Rate.VOLUME, Rate.VALUE):
            yield f"{field}: usual is for volume and value; write a number for rate {self.rate}"
        elif self.per is not None:
            yield f"per: usual is the whole workflow's; remove it, or write a number in `{field}`"

    def _evidence_misfits(self) -> Iterator[str]:
        if self.rate not in SHARES:
            takers = ", ".join(sorted(SHARES))
            yield f"method: evidence is for {takers}; use `method: window` for rate {self.rate}"
        if self.false_trips is None:
            yield "false_trips: evidence needs it, as in `false_trips: 1 in 1000000`"
        if self.at_least is not None:
            yield "at_least: evidence is of a rate above a bound; use `above`"
        by_arrival = self.rate is Rate.REVERSAL and self.attribute == "arrival"
        most = 99 if by_arrival else 0.99
        if isinstance(self.above, float) and not 0 < self.above <= most:
            yield "above: evidence needs a bound above 0 and at most 99%"
        if "min" in self.model_fields_set:
            yield "min: evidence knows itself when it has seen enough; remove it"
        if self.weigh == "value":
            yield "weigh: evidence counts events; remove it, or use `method: window`"
