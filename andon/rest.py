"""How long a consumer rests whose broker does not wait.

A fetch asks the broker to wait until there is something to answer. The embedded broker answers
an empty one at once, so that an idle consumer would ask it a thousand times a second. Apache Kafka
waits by itself, longer than any rest.
"""

from __future__ import annotations

REST_S = 0.01
"""The longest: so much longer may a record wait, and only where nothing has come for seconds."""

SHARE = 0.003
"""Of the time without a record: who has just heard one listens closely."""


def rest_s(idle_s: float) -> float:
    """The least time from one fetch to the next, so long after the last record."""
    return min(REST_S, SHARE * idle_s)
