"""The sliding windows of all workflows of one partition: events in, rising edges out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors import usual
from detectors.forgetting import BOUNDS, Bounds, sweep
from detectors.found import MADE, READING, Edge, edges_of, nothing_found
from detectors.kernel import loop
from detectors.kernel.groups import newest_rates
from detectors.kernel.usual import learn_afresh
from detectors.numbering import Numbers
from detectors.plan import Compiled
from detectors.room import with_room, with_room_for
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
    WORKFLOWS,
    Family,
    State,
    compact,
    empty_state,
)
from detectors.streams import begun


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

    def streams(self, wanted: Sequence[tuple[str, int]]) -> list[int]:
        """The number of each workflow's stream under a policy; NONE where that has no rules."""
        known = self.numbers.streams
        new = [each for each in dict.fromkeys(wanted) if each not in known]
        new = [each for each in new if self.plan.policies["rules"][each[1]]]
        if new:
            self._begin(new)
        return [known.get(each, NONE) for each in wanted]

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
        self.state = with_room_for(self.state, self.plan, end - start, self.columns)
        edges: list[Edge] = []
        counters = self.state.counters
        while start < end and not (stop and (edges or counters[COARSENED] != NONE)):
            if self.state.counters[FULL]:
                held = self.workflows_held
                self.state = sweep(self.plan, self.state, self._bounds, self.numbers.streams_given)
                self._swept |= self.workflows_held < held
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

    def _begin(self, new: Sequence[tuple[str, int]]) -> None:
        """Give numbers to streams that have none, and write down what is known of them."""
        workflows = [self.numbers.workflow(name) for name, _ in new]
        unused = self.numbers.streams_given
        streams = np.array([self.numbers.new_stream(*each) for each in new])
        policies = np.array([policy for _, policy in new])
        self.state = begun(self.state, self.plan, streams, policies, unused)
        held = self.state.streams
        held["workflow"][streams] = workflows
        held["floor"][streams] = [self._floors.get(name, LONG_AGO) for name, _ in new]
        held["rests"][streams] = [name in self._resting for name, _ in new]
        keys = [self._history_key(*each) for each in new]
        held["history_key"][streams] = np.array(keys, np.uint64)

    def _streams_of(self, workflow: str) -> list[int]:
        known, policies = self.numbers.streams, range(len(self.plan.policies))
        return [known[workflow, place] for place in policies if (workflow, place) in known]

    def _history_key(self, workflow: str, policy: int) -> int:
        return usual.history_key(workflow, self._counted[policy])

    def _room_for_history(self) -> None:
        self.state.counters[HISTORY_WANTED] = 0
        most = self._bounds.histories_max
        state = usual.without_old_histories(self.state, most)
        self.state = with_room(state, "history", int(state.counters[HISTORIES]) + 1, most)
