"""What the compiled loop finds, and where it writes it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.plan import MICRO

FOUND = np.dtype(
    [
        ("event", np.int64),
        ("rule", np.int64),
        ("events", np.int64),
        ("width_us", np.int64),  # what is told is of this time up to the event that tells it
        ("rate", np.float64),
        ("bound", np.float64),
        ("usual", np.float64),  # of a rule against usual: the level
        ("taken_from", np.int64),  # BY_HOUR, BY_DAYS or UNKNOWN of detectors.kernel.usual
        ("samples", np.int64),  # so many weeks or days
        ("money", np.float64),
        ("ids", np.int64),
        ("group", np.uint64),  # the key of the slot
        ("currency", np.uint16),
    ],
    align=True,
)


READING = np.dtype(
    [
        ("event", np.int64),  # index in the batch
        ("rule", np.int64),  # index in the plan
        ("events", np.int64),  # below the line; of fewer than `min` no rate is told
        ("rate", np.float64),
        ("bound", np.float64),
    ],
    align=True,
)
"""What a rule measured at an event that it counts."""

MADE = np.dtype(
    [
        ("group", np.uint64),  # the key of its slot
        ("event", np.int64),  # index in the batch
        ("rule", np.int64),  # index in the plan
    ],
    align=True,
)
"""A group of a rule in which later events, of other groups, may tell of it."""


class Edge(NamedTuple):
    """A rule crossed its bound at an event, and had not at the one that it counted before."""

    event: int  # index in the batch
    rule: int  # index in the plan
    observed: float
    bound: float
    usual: tuple[float, int, int]  # level, taken_from, samples; of a rule against usual
    events: int
    window_s: int
    keys: list[int]  # of the evidence, as the windows store them
    money: float  # in units of the currency
    currency: int
    group: int  # the key of its slot


class Found(NamedTuple):
    """Where the compiled loop writes; `used` says how many edges, readings and groups made, and
    then a number of no meaning (see detectors.kernel.ahead).
    """

    used: NDArray[np.int64]
    edges: NDArray[np.void]
    keys: NDArray[np.uint64]
    readings: NDArray[np.void]  # as many as edges, or none where nobody reads them
    made: NDArray[np.void]  # as many as edges


def nothing_found(room: int, evidence_max: int, *, read_out: bool) -> Found:
    """Room for so many edges and groups, and for as many readings where they are wanted."""
    return Found(
        np.zeros(4, np.int64),
        np.zeros(room, FOUND),
        np.zeros((room, evidence_max), np.uint64),
        np.zeros(room if read_out else 0, READING),
        np.zeros(room, MADE),
    )


def edges_of(found: Found) -> list[Edge]:
    """The edges that the loop has written."""
    used = int(found.used[0])
    return [
        Edge(
            event=int(edge["event"]),
            rule=int(edge["rule"]),
            observed=float(edge["rate"]),
            bound=float(edge["bound"]),
            usual=(float(edge["usual"]), int(edge["taken_from"]), int(edge["samples"])),
            events=int(edge["events"]),
            window_s=max(1, -(-(int(edge["width_us"]) - 1) // MICRO)),
            keys=[int(key) for key in keys[: edge["ids"]]],
            money=float(edge["money"]) / MICRO,
            currency=int(edge["currency"]),
            group=int(edge["group"]),
        )
        for edge, keys in zip(found.edges[:used], found.keys[:used], strict=True)
    ]
