"""What is known of one event, as bits: rates are written in these terms."""

from __future__ import annotations

SUCCESS = 1 << 0
ERROR = 1 << 1
DENIED = 1 << 2
AUTOMATION = 1 << 3
HUMAN = 1 << 4
SYSTEM = 1 << 5
REVERSES = 1 << 6  # undoes an earlier action
REVERSED = 1 << 7  # has been undone by now
HAS_RUN = 1 << 8
FOLDED = 1 << 9  # too old to be held by itself where a workflow is very busy

TWIN = 1 << 10  # its event id was used again, once it had left every window

FIRST_FILTER = 11
"""From this bit on: one bit a distinct `where` or currency of the event's policy."""

FILTERS_MAX = 32 - FIRST_FILTER

BITS = {
    "success": SUCCESS,
    "error": ERROR,
    "denied": DENIED,
    "automation": AUTOMATION,
    "human": HUMAN,
    "system": SYSTEM,
}
