"""What guards enforce before an action runs: limits on its size, and the scope it must stay in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from andon.amounts import millionths
from andon.events import Currency
from andon.globs import Globs
from andon.quantities import Duration
from andon.rule import PolicyModel, Where

Then = Literal["review", "sandbox", "deny"]
"""What becomes of an action beyond a limit: people are asked, it is rehearsed and then people are
asked, or it is refused."""


class Limit(PolicyModel):
    """The most that one action may do, or with `over` all actions of a trailing window together."""

    value: Annotated[float, Field(gt=0)] | None = None
    currency: Currency | None = None
    recipients: Annotated[int, Field(gt=0)] | None = None
    actions: Annotated[int, Field(gt=0)] | None = Field(
        None, description="how many actions may run within `over`"
    )
    over: Duration | None = Field(
        None, description="a trailing window; its actions are limited together"
    )
    where: Where = Where()
    then: Then = Field("deny", description="what becomes of an action beyond the limit")
    people: Annotated[int, Field(ge=1, le=2)] = Field(
        1, description="how many have to approve, where people are asked"
    )

    @property
    def field(self) -> Literal["value", "recipients", "actions"]:
        """What of an action is limited."""
        if self.value is not None:
            return "value"
        return "recipients" if self.recipients is not None else "actions"

    @property
    def unit(self) -> str:
        """A currency, in capitals, or else the field."""
        return (self.currency or self.field).upper() if self.field == "value" else self.field

    @property
    def most(self) -> int:
        """What is still allowed, in millionths of the unit."""
        return millionths(getattr(self, self.field))

    @model_validator(mode="after")
    def _limits_something(self) -> Limit:
        sizes = [self.value, self.recipients, self.actions]
        if sum(size is not None for size in sizes) != 1:
            raise ValueError(
                "value: a limit needs one of `value` with `currency`, `recipients` or `actions`"
            )
        if (self.value is None) != (self.currency is None):
            raise ValueError("currency: goes with `value`, and `value` with it")
        if self.actions is not None and self.over is None:
            raise ValueError("over: goes with `actions`, as in `{actions: 25, over: 1h}`")
        if self.people > 1 and self.then == "deny":
            raise ValueError("people: nobody is asked; add `then: review` or `then: sandbox`")
        return self


class Scope(PolicyModel):
    """Allow-lists of globs; what is not listed is denied. A list that is absent allows all."""

    actions: Globs | None = None
    targets: Globs | None = None
