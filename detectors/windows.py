"""The sliding windows of all workflows of one partition: events in, rising edges out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.kernel import hashing, loop, reversals
from detectors.kernel.groups import newest_rates
from detectors.plan import MICRO, Compiled
from detectors.state import (
    GROUPS,
    LIVE_ROWS,
    LONG_AGO,
    NONE,
    ROWS,
    SLOTS,
    TABLES,
    WAITING,
    Family,
    empty_state,
    empty_table,
    grown,
    no_waiters,
    size,
)

FOUND = np.dtype(
    [
        ("event", np.int64),
        ("rule", np.int64),
        ("events", np.int64),
        ("width_us", np.int64),  # what is told is of this time up to the event that tells it
        ("rate", np.float64),
        ("money", np.float64),
        ("ids", np.int64),
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


class Edge(NamedTuple):
    """A rule crossed its bound at an event, and had not at the one that it counted before."""

    event: int  # index in the batch
    rule: int  # index in the plan
    observed: float
    events: int
    window_s: int
    keys: list[int]  # of the evidence, as the windows store them
    money: float  # in units of the currency
    currency: int


class Found(NamedTuple):
    """Where the compiled loop writes; `used` says how many edges, and how many readings."""

    used: NDArray[np.int64]
    edges: NDArray[np.void]
    keys: NDArray[np.uint64]
    readings: NDArray[np.void]  # as many as edges, or none where nobody reads them


class Windows:
    """Holds the state of one partition and runs the compiled loop over it."""

    def __init__(self, compiled: Compiled, *, read_out: bool = False) -> None:
        """`read_out` keeps what every rule measures at every event, until `readings` takes it."""
        self.plan = compiled.plan
        self.streams: dict[tuple[str, int], int] = {}
        self._workflows: dict[str, int] = {}
        self._floors: dict[str, int] = {}
        self.columns = max((len(policy.groups) for policy in compiled.policies), default=0)
        policies = self.plan.policies
        windows = policies["end_window"] - policies["first_window"]
        self.state = empty_state(
            columns=self.columns,
            windows=int(windows.max()),
            by_evidence=bool(self.plan.rules["by_evidence"].any()),
        )
        room = max(8192 if read_out else 256, int(policies["rules"].max()))
        self._found = Found(
            np.zeros(2, np.int64),
            np.zeros(room, FOUND),
            np.zeros((room, loop.EVIDENCE_MAX), np.uint64),
            np.zeros(room if read_out else 0, READING),
        )
        self._readings: list[NDArray[np.void]] = []

    def stream(self, workflow: str, policy: int) -> int:
        """The number of a workflow's stream under a policy; NONE where the policy has no rules."""
        number = self.streams.get((workflow, policy))
        if number is not None:
            return number
        rules = int(self.plan.policies[policy]["rules"])
        if rules == 0:
            return NONE
        number = self.streams[workflow, policy] = len(self.streams)
        self._room("stream", number + 1)
        self._room("slot", int(self.state.counters[SLOTS]) + rules)
        state, first = self.state, int(self.state.counters[SLOTS])
        if workflow not in self._workflows:
            self._workflows[workflow] = len(self._workflows)
            state.workflow_newest[self._workflows[workflow]] = LONG_AGO
        floor = self._floors.get(workflow, LONG_AGO)
        place = self._workflows[workflow]
        state.streams[number] = (LONG_AGO, floor, policy, place, NONE, NONE, first)
        state.tail[:, number] = NONE
        state.slots["owner"][first : first + rules] = number
        state.slots["rule"][first : first + rules] = NONE
        for name in ("newest", "tripped"):
            state.evidence[name][:, first : first + rules] = LONG_AGO
        state.counters[SLOTS] += rules
        return number

    def take(
        self,
        events: NDArray[np.void],
        groups: NDArray[np.uint64],
        fates: NDArray[np.int8],
        span: range,
        *,
        stop: bool = False,
    ) -> tuple[int, list[Edge]]:
        """Take a span of a batch's events.

        Args:
            events: n records of type state.EVENT, in log order.
            groups: hashes of the values that make groups, (columns, n).
            fates: n codes (loop.COUNTED, LATE, DUPLICATE), written in place.
            span: the events to take.
            stop: stop after an event with a rising edge.

        Returns:
            The first event that was not taken, and the rising edges.
        """
        start, end = span.start, span.stop
        self._room_for(end - start)
        edges: list[Edge] = []
        while start < end and not (stop and edges):
            self._found.used[:] = 0
            start = loop.take(
                self.plan, self.state, events, groups, start, end, stop, fates, self._found
            )
            edges += self._edges()
            if self._found.readings.size:
                self._readings.append(self._found.readings[: self._found.used[1]].copy())
        return start, edges

    def readings(self) -> NDArray[np.void]:
        """READINGs since they were last asked for, in order; none unless `read_out`."""
        taken, self._readings = self._readings, []
        return np.concatenate(taken) if taken else np.zeros(0, READING)

    def forgive(self, workflow: str, until_us: int) -> None:
        """Let only later events of the workflow count: a person has let it run again."""
        self._floors[workflow] = max(until_us, self._floors.get(workflow, LONG_AGO))
        for (name, _), stream in self.streams.items():
            if name == workflow:
                loop.forgive(self.plan, self.state, stream, until_us)

    def current(self, streams: Sequence[int]) -> list[list[float]]:
        """Each rule's rate over the newest window of these streams, in its unit.

        Of a rule with groups it is the largest one. Takes one pass over all that is held.
        """
        rates = newest_rates(self.plan, self.state, np.zeros(int(self.state.counters[SLOTS])))
        shown = []
        for stream in self.state.streams[list(streams)]:
            first, rules = stream["first_slot"], self.plan.policies[stream["policy"]]["rules"]
            shown.append(rates[first : first + rules].tolist())
        return shown

    @property
    def events_held(self) -> int:
        """How many events are held now."""
        return int(self.state.counters[LIVE_ROWS])

    @property
    def groups_held(self) -> int:
        """How many groups of rules with `per` or `same` are held now."""
        return int(self.state.counters[GROUPS])

    def _edges(self) -> list[Edge]:
        used = int(self._found.used[0])
        return [
            Edge(
                event=int(edge["event"]),
                rule=int(edge["rule"]),
                observed=float(edge["rate"]),
                events=int(edge["events"]),
                window_s=max(1, -(-(int(edge["width_us"]) - 1) // MICRO)),
                keys=[int(key) for key in keys[: edge["ids"]]],
                money=float(edge["money"]) / MICRO,
                currency=int(edge["currency"]),
            )
            for edge, keys in zip(self._found.edges[:used], self._found.keys[:used], strict=True)
        ]

    def _room_for(self, events: int) -> None:
        """Grow what so many events could fill; the compiled loop itself never allocates."""
        counters = self.state.counters
        self._room("row", max(int(counters[ROWS]), int(counters[LIVE_ROWS]) + events))
        self._room("slot", int(counters[SLOTS]) + events * self.columns)
        waiters = int(counters[WAITING]) + events
        if self.plan.policies["cohorts"].any() and 2 * waiters > self.state.waiting.size:
            old = self.state.waiting
            self.state = self.state._replace(waiting=no_waiters(waiters))
            reversals.rewait(old, self.plan, self.state)

    def _room(self, family: Family, items: int) -> None:
        room = size(self.state, family)
        if items <= room:
            return
        self.state = grown(self.state, family, max(items, room * 3 // 2, 256))
        if family in TABLES:
            self._rehash(*TABLES[family])

    def _rehash(self, table: str, records: str) -> None:
        old, of = getattr(self.state, table), getattr(self.state, records)
        new = empty_table(of.size)
        if new.size > old.size:
            hashing.rehash(old, new, of)
            self.state = self.state._replace(**{table: new})  # type: ignore[arg-type]
