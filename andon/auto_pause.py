"""A breaker on the breaker: how many workflows the monitor may pause by itself before people
are asked.
"""

from __future__ import annotations

import sys
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from andon.quantities import (
    SHARE_PATTERN,
    Duration,
    format_duration,
    format_share,
    parse_share,
)
from andon.rule import PolicyModel

Share = Annotated[
    float,
    BeforeValidator(parse_share),
    PlainSerializer(format_share, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
                {"type": "string", "pattern": SHARE_PATTERN, "examples": ["20%"]},
            ]
        }
    ),
]


class AutoPause(PolicyModel):
    """In a trailing window (by event time, within a partition) at most `share` of the workflows
    that live, and `min` in any case, are paused without a person. `share: 100%`, which holds where
    nothing is said, sets no bound.
    """

    share: Share = Field(
        1.0, description="of the workflows that had an event within twice the longest window"
    )
    over: Duration = 600
    min: Annotated[int, Field(ge=0)] = Field(
        10, description="so many may be paused in any case, however few workflows there are"
    )

    def most(self, live: int) -> int:
        """How many of so many live workflows may be paused within the window."""
        return sys.maxsize if self.share == 1 else max(self.min, int(self.share * live + 1e-9))

    def __str__(self) -> str:
        window = format_duration(self.over)
        return f"{format_share(self.share)} within {window}, and {self.min} in any case"
