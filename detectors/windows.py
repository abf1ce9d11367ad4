"""The sliding windows of all workflows of one partition: events in, rising edges out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors import usual
from detectors.forgetting import BOUNDS, Bounds, sweep
from detectors.found import MADE, READING, Edge, edges_of, nothing_found
from detectors.kernel import hashing, loop, reversals
from detectors.kernel.groups import newest_rates
from detectors.kernel.usual import learn_afresh
from detectors.numbering import Numbers
from detectors.plan import Compiled
from detectors.state import (
    CLOCK,
    COARSENED,
    EVICTED,
    EXACT_MAX,
    FORGOTTEN,
    FULL,
    GROUPS,
    HISTORIES,
    HISTORIES_EVICTED,
    HISTORY_WANTED,
    LIVE_ROWS,
    LONG_AGO,
    NONE,
    ROWS,
    SLOTS,
    SWEEP_AT,
    TABLES,
    WAITING,
    WORKFLOWS,
    Family,
    State,
    compact,
    empty_state,
    empty_table,
    grown,
    no_waiters,
    size,
)


class Windows:
    """Holds the state of one partition and runs the compiled loop over it."""

    def __init__(
        self, compiled: Compiled, bounds: Bounds = BOUNDS, *, read_out: bool = False
    ) -> None:
        """`read_out` keeps what every rule measures at every event, until `readings` takes it."""
        self.plan = compiled.plan
        self.numbers = Numbers()
        self._bounds = bounds
        self._floors: dict[str, int] = {}
        self._swept = False
        self._resting: set[str] = set()
        self._counted = [usual.counted(policy) for policy in compiled.book.policies]
        self.columns = max((len(policy.groups) for policy in compiled.policies), default=0)
        policies = self.plan.policies
        windows = policies["end_window"] - policies["first_window"]
        self.state = empty_state(
            columns=self.columns,
            windows=int(windows.max()),
            by_evidence=bool(self.plan.rules["by_evidence"].any()),
            usuals=int(policies["usuals"].max()),
        )
        self.state.counters[SWEEP_AT] = min(bounds.workflows_kept, bounds.workflows_max)
        self.state.counters[EXACT_MAX] = bounds.events_exact
        room = max(8192 if read_out else 256, int(policies["rules"].max()))
        self._found = nothing_found(room, loop.EVIDENCE_MAX, read_out=read_out)
        self._readings: list[NDArray[np.void]] = []
        self._made: list[NDArray[np.void]] = []

    def stream(self, workflow: str, policy: int) -> int:
        """The number of a workflow's stream under a policy; NONE where the policy has no rules."""
        number = self.numbers.streams.get((workflow, policy))
        if number is not None:
            return number
        if self.plan.policies[policy]["rules"] == 0:
            return NONE
        number, used = self.numbers.new_stream(workflow, policy)
        if not used:
            self._make_stream(number, policy)
        stream = self.state.streams[number]
        stream["newest"], stream["floor"] = LONG_AGO, self._floors.get(workflow, LONG_AGO)
        stream["workflow"] = self._workflow(workflow)
        stream["history"], stream["rests"] = NONE, workflow in self._resting
        stream["history_key"] = self._history_key(workflow, policy)
        return number

    def release(self) -> bool:
        """Take back the numbers of forgotten workflows; whether there were any.

        Not while a batch is judged: its events carry them.
        """
        if self._swept:
            newest = self.state.workflow_newest
            self.numbers.release(lambda number: newest[number] == LONG_AGO)
        swept, self._swept = self._swept, False
        return swept

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
            stop: stop after an event with a rising edge, or one that made a stream coarse.

        Returns:
            The first event that was not taken, and the rising edges.
        """
        start, end = span.start, span.stop
        self._room_for(end - start)
        edges: list[Edge] = []
        counters = self.state.counters
        while start < end and not (stop and (edges or counters[COARSENED] != NONE)):
            if self.state.counters[FULL]:
                self.state = sweep(self.plan, self.state, self._bounds, self.numbers.streams_given)
                self._swept = True
            if self.state.counters[HISTORY_WANTED]:
                self._room_for_history()
            self._found.used[:] = 0
            start = loop.take(
                self.plan, self.state, events, groups, start, end, stop, fates, self._found
            )
            edges += edges_of(self._found)
            if self._found.readings.size:
                self._readings.append(self._found.readings[: self._found.used[1]].copy())
            if self._found.used[2]:
                self._made.append(self._found.made[: self._found.used[2]].copy())
        return start, edges

    def coarsened(self) -> bool:
        """Whether the last event taken was the first that left its stream coarse."""
        was, self.state.counters[COARSENED] = self.state.counters[COARSENED], NONE
        return bool(was != NONE)

    def readings(self) -> NDArray[np.void]:
        """READINGs since they were last asked for, in order; none unless `read_out`."""
        taken, self._readings = self._readings, []
        return np.concatenate(taken) if taken else np.zeros(0, READING)

    def made(self) -> NDArray[np.void]:
        """MADE since they were last asked for, in order."""
        taken, self._made = self._made, []
        return np.concatenate(taken) if taken else np.zeros(0, MADE)

    def forgive(self, workflow: str, until_us: int) -> None:
        """Let only later events of the workflow count: a person has let it run again."""
        self._floors[workflow] = max(until_us, self._floors.get(workflow, LONG_AGO))
        self._resting.discard(workflow)
        for stream in self._streams_of(workflow):
            loop.forgive(self.plan, self.state, stream, until_us)
            self.state.streams["rests"][stream] = False
        for policy in map(int, np.flatnonzero(self.plan.policies["usuals"])):
            key = np.uint64(self._history_key(workflow, policy))
            learn_afresh(self.plan, self.state, policy, key, until_us)

    def rest(self, workflow: str) -> None:
        """Learn nothing from the workflow until it is forgiven: it is paused."""
        self._resting.add(workflow)
        for stream in self._streams_of(workflow):
            self.state.streams["rests"][stream] = True

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

    def crossed(self) -> set[tuple[str, int]]:
        """The workflows and rules (indices in the plan) that were crossed when last evaluated."""
        found, slots = set(), self.state.slots[: int(self.state.counters[SLOTS])]
        workflows = {number: name for (name, _), number in self.numbers.streams.items()}
        for place in np.flatnonzero(slots["crossed"] & (slots["owner"] != NONE)):
            owner, rule = int(slots["owner"][place]), int(slots["rule"][place])
            if rule == NONE:  # not of a group
                stream = self.state.streams[owner]
                first = int(self.plan.policies[stream["policy"]]["first_rule"])
                rule = first + int(place) - int(stream["first_slot"])
            found.add((workflows[owner], rule))
        return found

    def live(self) -> int:
        """How many workflows had an event within twice the longest window of any policy, seen
        from the partition's newest event: those that are never forgotten for their silence."""
        newest = self.state.workflow_newest[: self.numbers.streams_given]
        seen_us = int(self.state.counters[CLOCK]) - 2 * int(self.plan.policies["longest_us"].max())
        return int(np.count_nonzero(newest > max(seen_us, LONG_AGO)))

    @property
    def events_held(self) -> int:
        """How many events are held now."""
        return int(self.state.counters[LIVE_ROWS])

    @property
    def workflows_held(self) -> int:
        """How many workflows are held now."""
        return int(self.state.counters[WORKFLOWS])

    @property
    def forgotten(self) -> int:
        """How many workflows were forgotten that no window could see any more."""
        return int(self.state.counters[FORGOTTEN])

    @property
    def evicted(self) -> int:
        """How many workflows were forgotten because there were too many."""
        return int(self.state.counters[EVICTED])

    @property
    def coarse(self) -> int:
        """Of how many streams old events are held together."""
        streams = self.state.streams[: self.numbers.streams_given]
        return int(np.count_nonzero(streams["coarse"] > LONG_AGO))

    @property
    def groups_held(self) -> int:
        """How many groups of rules with `per` or `same` are held now."""
        return int(self.state.counters[GROUPS])

    def groups(self) -> set[int]:
        """The keys of the slots of the groups that are held now."""
        slots = self.state.slots[: int(self.state.counters[SLOTS])]
        held = slots[(slots["owner"] != NONE) & (slots["rule"] != NONE)]
        return set(held["key"].tolist())

    @property
    def histories_held(self) -> int:
        """How many workflows' histories are held now, counted once a policy."""
        return int(self.state.counters[HISTORIES])

    @property
    def histories_evicted(self) -> int:
        """How many histories were forgotten because there were too many."""
        return int(self.state.counters[HISTORIES_EVICTED])

    def dump(self) -> tuple[State, dict[str, Any]]:
        """A copy of the state, and the names that its numbers stand for, ready for JSON."""
        counters = self.state.counters
        used: dict[Family, int] = {
            "row": int(counters[ROWS]),
            "stream": self.numbers.streams_given,
            "slot": int(counters[SLOTS]),
            "history": int(counters[HISTORIES]),
        }
        names = {
            "numbers": self.numbers.names(),
            "floors": self._floors,
            "resting": sorted(self._resting),
            "swept": self._swept,
        }
        return compact(self.state, used), names

    def load(self, state: State, names: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        self.state, self._floors = state, names["floors"]
        self.numbers, self._swept = Numbers.of(names["numbers"]), names["swept"]
        self._resting = set(names["resting"])

    def _make_stream(self, number: int, policy: int) -> None:
        """Room for a stream, and a slot for each of its rules."""
        first, rules = int(self.state.counters[SLOTS]), int(self.plan.policies[policy]["rules"])
        self._room("stream", number + 1)
        self._room("slot", first + rules)
        state = self.state
        times = (LONG_AGO, LONG_AGO, LONG_AGO)
        stream = (*times, policy, NONE, NONE, NONE, first, NONE, 0, False, 0)
        state.streams[number] = stream
        state.workflow_newest[number] = LONG_AGO  # a workflow gets no number that no stream had
        state.tail[:, number] = NONE
        state.slots["owner"][first : first + rules] = number
        state.slots["rule"][first : first + rules] = NONE
        for name in ("newest", "tripped"):
            state.evidence[name][:, first : first + rules] = LONG_AGO
        state.counters[SLOTS] += rules

    def _streams_of(self, workflow: str) -> list[int]:
        known, policies = self.numbers.streams, range(len(self.plan.policies))
        return [known[workflow, place] for place in policies if (workflow, place) in known]

    def _workflow(self, name: str) -> int:
        number = self.numbers.workflows.get(name)
        if number is None:
            number = self.numbers.new_workflow(name)
            self.state.workflow_newest[number] = LONG_AGO
        return number

    def _history_key(self, workflow: str, policy: int) -> int:
        return usual.history_key(workflow, self._counted[policy])

    def _room_for_history(self) -> None:
        self.state.counters[HISTORY_WANTED] = 0
        most = self._bounds.histories_max
        self.state = usual.without_old_histories(self.state, most)
        self._room("history", int(self.state.counters[HISTORIES]) + 1, most)

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

    def _room(self, family: Family, items: int, most: int | None = None) -> None:
        room = size(self.state, family)
        if items <= room:
            return
        items = max(items, room * 3 // 2, 256)
        self.state = grown(self.state, family, min(items, most or items))
        if family in TABLES:
            self._rehash(*TABLES[family])

    def _rehash(self, table: str, records: str) -> None:
        old, of = getattr(self.state, table), getattr(self.state, records)
        new = empty_table(of.size)
        if new.size > old.size:
            hashing.rehash(old, new, of)
            self.state = self.state._replace(**{table: new})  # type: ignore[arg-type]
