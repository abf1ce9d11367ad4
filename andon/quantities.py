"""How people write quantities in a policy: `24h`, `5%`, `5000`, `4x usual`, `1 in 1000000`."""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

DURATION_MAX_S = 3650 * 86400
"""Ten years: the longest that a window or a wait may be."""

FACTOR_MAX = 1_000_000

_DURATION = r"([1-9][0-9]{0,8})([smhd])"
_SHARE = r"([0-9]+(?:\.[0-9]+)?) *%"
SHARE_PATTERN = f"^{_SHARE}$"
_USUAL = r"([0-9]+(?:\.[0-9]+)?) *x +usual"
USUAL_PATTERN = f"^{_USUAL}$"
_ODDS = r"1 in ([1-9][0-9]{2,11})"
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: object) -> int:
    """Seconds of `90s`, `15m`, `1h`, `24h` or `7d`.

    Raises:
        ValueError: the text is no such duration.
    """
    match = re.fullmatch(_DURATION, text) if isinstance(text, str) else None
    if not match:
        raise ValueError("must be a duration such as 90s, 15m, 1h or 7d")
    seconds = int(match[1]) * _UNIT_S[match[2]]
    if seconds > DURATION_MAX_S:
        raise ValueError(f"must be at most {format_duration(DURATION_MAX_S)}")
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest of `90s`, `15m`, `24h`, `7d` that is exact; days only from two on."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0 and (unit != "d" or seconds >= 2 * size):
            return f"{seconds / size:.15g}{unit}"
    return f"{seconds:.15g}s"


@dataclass(frozen=True, slots=True)
class Usual:
    """A bound that is so many times what is usual for the workflow itself."""

    factor: float


def parse_bound(value: object) -> float | Usual:
    """A number, a share such as `5%`, or a factor such as `4x usual`.

    Raises:
        ValueError: none of the three, a number below zero, or a factor that is not above 1.
    """
    if isinstance(value, str):
        bound = _written_bound(value)
    elif isinstance(value, Usual):
        bound = value
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(_BOUND_HELP)
    else:
        bound = float(value) if abs(value) <= sys.float_info.max else math.inf
    if isinstance(bound, Usual):
        if not 1 < bound.factor <= FACTOR_MAX:
            raise ValueError(f"must be a factor above 1, up to {FACTOR_MAX}, such as 4x usual")
    elif not 0 <= bound < math.inf:
        raise ValueError("must be zero or more, and finite")
    return bound


_BOUND_HELP = "must be a number such as 5000, a share such as 5%, or a factor such as 4x usual"


def _written_bound(text: str) -> float | Usual:
    if match := re.fullmatch(_SHARE, text):
        # Divided, not multiplied by 0.01: 7/100 is the float that 7 of 100 events give.
        return float(match[1]) / 100
    if match := re.fullmatch(_USUAL, text):
        return Usual(float(match[1]))
    raise ValueError(_BOUND_HELP)


def format_bound(bound: float | Usual) -> float | str:
    """What `parse_bound` reads: a number as it is, or a factor."""
    if isinstance(bound, Usual):
        return f"{repr(bound.factor).removesuffix('.0')}x usual"
    return bound


def parse_share(value: object) -> float:
    """A number such as `0.2`, or a share such as `20%`; above 0, and 1 at the most.

    Raises:
        ValueError: it is no such share.
    """
    share = parse_bound(value) if not isinstance(value, str) or "usual" not in value else None
    if not isinstance(share, float) or not 0 < share <= 1:
        raise ValueError("must be a share above 0%, up to 100%, such as 20% or 0.2")
    return share


def format_share(share: float) -> str | float:
    """What `parse_share` reads, to the same number."""
    text = f"{share * 100:.10g}%"
    return text if "e" not in text and parse_share(text) == share else share


def parse_odds(value: object) -> int:
    """N of `1 in N`.

    Raises:
        ValueError: the text says no such thing, or N is below 100 or above 999999999999.
    """
    match = re.fullmatch(_ODDS, value) if isinstance(value, str) else None
    if not match:
        raise ValueError("must say how rare, from 100 up, such as 1 in 1000000")
    return int(match[1])


def format_odds(events: int) -> str:
    """What `parse_odds` reads."""
    return f"1 in {events}"


DURATION_SCHEMA: dict[str, Any] = {
    "type": "string",
    "pattern": f"^{_DURATION}$",
    "examples": ["24h"],
}
Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, when_used="json"),
    WithJsonSchema(DURATION_SCHEMA),
]
Bound = Annotated[
    float | Usual,
    BeforeValidator(parse_bound),
    PlainSerializer(format_bound, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "string", "pattern": SHARE_PATTERN, "examples": ["5%"]},
                {"type": "string", "pattern": USUAL_PATTERN, "examples": ["4x usual"]},
            ]
        }
    ),
]
Odds = Annotated[
    int,
    BeforeValidator(parse_odds),
    PlainSerializer(format_odds, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": f"^{_ODDS}$", "examples": ["1 in 1000000"]}),
]
