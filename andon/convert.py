"""Static conversion: rules in one currency count others too, at rates that the policy writes."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from andon.events import Currency
from andon.rule import PolicyModel

DIGITS_MAX = 12
"""Digits that a rate may have, and places behind its point."""


def _by_code(value: Any) -> Any:
    """With capital letters; the rates themselves are looked at afterwards."""
    if not isinstance(value, dict):
        return value
    codes = [code.upper() if isinstance(code, str) else code for code in value]
    for code in codes:
        if not isinstance(code, str) or not re.fullmatch("[A-Z]{3}", code):
            raise ValueError(f"knows no currency {code!r}; write three letters, as in EUR")
        if codes.count(code) > 1:
            raise ValueError(f"names {code} twice; keep one of the two")
    return dict(zip(codes, value.values(), strict=True))


def _short(rate: float) -> float:
    digits = exact(rate).as_tuple()
    if max(len(digits.digits), -int(digits.exponent)) > DIGITS_MAX:
        raise ValueError(f"must be a rate of at most {DIGITS_MAX} digits, such as 1.08")
    return rate


def exact(rate: float) -> Decimal:
    """The number as it was written."""
    return Decimal(repr(rate)).normalize()


class Convert(PolicyModel):
    """Value in the currencies of `rates` counts in the rules of the currency `to`."""

    to: Currency
    rates: Annotated[
        dict[str, Annotated[float, Field(gt=0, lt=1e12), AfterValidator(_short)]],
        BeforeValidator(_by_code),
    ] = Field(
        min_length=1,
        description="what one unit of each currency is worth in `to`",
        json_schema_extra={"propertyNames": {"pattern": "^[A-Za-z]{3}$"}},
    )

    @model_validator(mode="after")
    def _converts_others(self) -> Convert:
        if self.to.upper() in self.rates:
            raise ValueError(f"rates: {self.to} is what the others are converted to; remove it")
        return self

    def takes(self, currency: str | None) -> bool:
        """True where a rule of this currency counts the others too."""
        return currency is not None and currency.upper() == self.to.upper()
