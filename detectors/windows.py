"""The sliding windows of all workflows of one partition: events in, rising edges out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.kernel import hashing, loop, reversals
from detectors.plan import MICRO, Compiled
from detectors.rates.terms import RECIPIENTS
from detectors.state import (
    FIELDS,
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
    grown,
    table_size,
)


class Batch(NamedTuple):
    """Columns of n events in log order. The kernel overwrites `ident` with what it stores."""

    stream: NDArray[np.int32]  # NONE: no event for any window
    time: NDArray[np.int64]  # Unix microseconds
    ident: NDArray[np.uint64]
    flags: NDArray[np.uint32]
    value: NDArray[np.float64]  # millionths of the currency
    recipients: NDArray[np.float64]
    currency: NDArray[np.uint16]  # 0: none
    reverses: NDArray[np.uint64]
    groups: NDArray[np.uint64]  # (columns, n)


class Edge(NamedTuple):
    """A rule crossed its bound at an event, and had not at the one that it counted before."""

    event: int  # index in the batch
    rule: int  # index in the plan
    observed: float
    events: int
    idents: list[int]
    money: float  # in units of the currency
    currency: int


class Found(NamedTuple):
    """Where the kernel writes rising edges; `used` says how many."""

    used: NDArray[np.int64]
    event: NDArray[np.int64]
    rule: NDArray[np.int64]
    events: NDArray[np.int64]
    rate: NDArray[np.float64]
    money: NDArray[np.float64]
    currency: NDArray[np.uint16]
    ids: NDArray[np.int64]
    idents: NDArray[np.uint64]


def _found(size: int) -> Found:
    return Found(
        used=np.zeros(1, np.int64),
        event=np.zeros(size, np.int64),
        rule=np.zeros(size, np.int64),
        events=np.zeros(size, np.int64),
        rate=np.zeros(size, np.float64),
        money=np.zeros(size, np.float64),
        currency=np.zeros(size, np.uint16),
        ids=np.zeros(size, np.int64),
        idents=np.zeros((size, loop.EVIDENCE_MAX), np.uint64),
    )


class Windows:
    """Holds the state of one partition and runs the compiled loop over it."""

    def __init__(self, compiled: Compiled) -> None:
        self.plan = compiled.plan
        self.streams: dict[tuple[str, int], int] = {}
        self._workflows: dict[str, int] = {}
        self._floors: dict[str, int] = {}
        self.columns = max((len(policy.groups) for policy in compiled.policies), default=0)
        self._found = _found(max(256, int(np.diff(self.plan.rules).max(initial=0))))
        self.state = empty_state(
            columns=self.columns,
            windows=int(np.diff(self.plan.windows).max(initial=0)),
            recipients=bool((self.plan.weight == RECIPIENTS).any()),
        )

    def stream(self, workflow: str, policy: int) -> int:
        """The number of a workflow's stream under a policy; NONE where the policy has no rules."""
        number = self.streams.get((workflow, policy))
        if number is not None:
            return number
        rules = int(self.plan.rules[policy + 1] - self.plan.rules[policy])
        if rules == 0:
            return NONE
        number = self.streams[workflow, policy] = len(self.streams)
        place = self._workflows.setdefault(workflow, len(self._workflows))
        self._room("stream", number + 1)
        self._room("slot", int(self.state.counters[SLOTS]) + rules)
        state, first = self.state, int(self.state.counters[SLOTS])
        state.policy[number], state.workflow[number] = policy, place
        state.first_slot[number] = first
        state.floor[number] = self._floors.get(workflow, LONG_AGO)
        state.owner[first : first + rules] = number
        state.counters[SLOTS] += rules
        return number

    def take(
        self, batch: Batch, fates: NDArray[np.int8], span: range, *, stop: bool = False
    ) -> tuple[int, list[Edge]]:
        """Take a span of a batch's events.

        Args:
            batch: columns of n events in log order.
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
            self._found.used[0] = 0
            start = loop.take(self.plan, self.state, batch, start, end, stop, fates, self._found)
            edges += self._edges()
        return start, edges

    def forgive(self, workflow: str, until_us: int) -> None:
        """Let only later events of the workflow count: a person has let it run again."""
        self._floors[workflow] = max(until_us, self._floors.get(workflow, LONG_AGO))
        for (name, _), stream in self.streams.items():
            if name == workflow:
                loop.forgive(self.plan, self.state, stream, until_us)

    def current(self, workflow: str, policy: int) -> list[float]:
        """Each rule's rate over the newest window, in its unit; nan for a rule with groups."""
        stream = self.streams[workflow, policy]
        plan, state = self.plan, self.state
        rates = []
        for rule in range(plan.rules[policy], plan.rules[policy + 1]):
            slot = state.first_slot[stream] + rule - plan.rules[policy]
            divisor = state.below[slot] if plan.divided[rule] else plan.scale[rule]
            rates.append(float(state.above[slot] / divisor) if divisor else 0.0)
        return [
            rate if plan.group[rule] == NONE else float("nan")
            for rule, rate in enumerate(rates, plan.rules[policy])
        ]

    @property
    def events_held(self) -> int:
        """How many events are held now."""
        return int(self.state.counters[LIVE_ROWS])

    @property
    def groups_held(self) -> int:
        """How many groups of rules with `per` or `same` are held now."""
        return int(self.state.counters[GROUPS])

    def _edges(self) -> list[Edge]:
        found = self._found
        return [
            Edge(
                event=int(found.event[n]),
                rule=int(found.rule[n]),
                observed=float(found.rate[n]),
                events=int(found.events[n]),
                idents=[int(ident) for ident in found.idents[n, : found.ids[n]]],
                money=float(found.money[n]) / MICRO,
                currency=int(found.currency[n]),
            )
            for n in range(int(found.used[0]))
        ]

    def _room_for(self, events: int) -> None:
        """Grow what so many events could fill; the compiled loop itself never allocates."""
        counters = self.state.counters
        self._room("row", max(int(counters[ROWS]), int(counters[LIVE_ROWS]) + events))
        self._room("slot", int(counters[SLOTS]) + events * self.columns)
        if self.plan.cohorts.any():
            self._room("waiting", 2 * (int(counters[WAITING]) + events))

    def _room(self, family: Family, items: int) -> None:
        size = next(getattr(self.state, n) for n, f in FIELDS.items() if f.family == family).size
        if items <= size:
            return
        if family == "waiting":
            self._rewait(1 << items.bit_length())
            return
        self.state = grown(self.state, family, max(items, size * 3 // 2))
        if family in TABLES:
            self._rehash(*TABLES[family])

    def _rehash(self, table: str, keys: str) -> None:
        old, keyed = getattr(self.state, table), getattr(self.state, keys)
        wanted = table_size(keyed.size)
        if wanted > old.size:
            new = np.full(wanted, NONE, np.int32)
            hashing.rehash(old, new, keyed)
            self.state = self.state._replace(**{table: new})  # type: ignore[arg-type]

    def _rewait(self, size: int) -> None:
        old = self.state
        self.state = old._replace(
            waiting_key=np.zeros(size, np.uint64),
            waiting_time=np.zeros(size, np.int64),
            waiting_owner=np.full(size, NONE, np.int32),
        )
        reversals.rewait(
            old.waiting_key, old.waiting_time, old.waiting_owner, self.plan, self.state
        )
