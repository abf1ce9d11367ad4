"""Amounts as whole millionths: sums of them are exact, and nothing is lost by rounding down."""

from __future__ import annotations

from decimal import ROUND_CEILING, Context, Decimal, InvalidOperation

MILLION = 1_000_000
MOST = 10**27
"""Stands for every amount from a thousand million million million on."""

_EXACT = Context(prec=60, rounding=ROUND_CEILING)


def millionths(amount: object) -> int:
    """An amount in whole millionths, rounded up; a float means the number that it is shown as.

    Raises:
        ValueError: it is missing, no number, below zero or not finite; says which.
    """
    number = _decimal(amount)
    if not number.is_finite() or number < 0:
        raise ValueError(f"{amount!r} is no amount: it must be zero or more, and finite")
    if number.adjusted() >= 21:
        return MOST
    return int(number.scaleb(6, _EXACT).to_integral_value(context=_EXACT))


def shown(amount: int, unit: str | None) -> str:
    """For people: `2,500.50 USD`, `1,000 recipients`, `1 action`."""
    whole, rest = divmod(amount, MILLION)
    decimals = f"{rest:06d}".rstrip("0")
    number = f"{whole:,}.{decimals:0<2}" if decimals else f"{whole:,}"
    if unit and amount == MILLION:
        unit = unit.removesuffix("s")
    return f"{number} {unit}" if unit else number


def _decimal(amount: object) -> Decimal:
    if amount is None:
        raise ValueError("is not known before the action runs")
    if isinstance(amount, bool):
        raise ValueError(f"{amount!r} is no amount")
    if isinstance(amount, Decimal):
        return amount
    try:
        if isinstance(amount, int):
            return Decimal(amount)
        return Decimal(amount if isinstance(amount, str) else repr(float(amount)))  # type: ignore[arg-type]
    except (InvalidOperation, TypeError, ValueError, OverflowError):
        raise ValueError(f"{amount!r} is no amount") from None
