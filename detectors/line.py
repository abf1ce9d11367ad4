"""The heart: raw records of one partition in, what has to be done about them out.

decode -> windows and rules -> breaker -> effects. No clock and no network: time is the events'
own, so that live, shadow, backtest and demo decide alike and a replay decides the same again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from andon.breaker import Breaker, State
from andon.commands import Command
from detectors.columns import Columns, Records
from detectors.decoder import Decoder
from detectors.detections import Detection, detection_of
from detectors.effects import COARSE, Effects, detected, noted
from detectors.forgetting import BOUNDS, Bounds
from detectors.found import READING, Edge
from detectors.group_names import GroupNames
from detectors.kernel.loop import BLOCKED
from detectors.limits import Limits
from detectors.outages import Outages
from detectors.plan import Compiled
from detectors.recent import Recent
from detectors.scoped import Forward, Forwarder
from detectors.standings import Standings
from detectors.state import NONE
from detectors.times import micros
from detectors.unconverted import unconverted
from detectors.windows import Windows

Paused = Literal["leaks", "blocked", "runs"]


Bar = Callable[[Columns, int], str | None]
"""The scope whose pause blocks an event, where one does."""


class Taken(NamedTuple):
    """A batch after it was judged."""

    columns: Columns
    fates: NDArray[np.int8]  # one of loop.COUNTED, LATE, DUPLICATE, BLOCKED an event
    effects: Effects
    readings: NDArray[np.void]  # windows.READING; none where a line does not read out
    forwards: list[Forward]  # to the second stage
    barred: dict[int, str]  # of events that were blocked by a scope: its name


class Line:
    """One partition's events, from bytes to decisions."""

    def __init__(
        self,
        compiled: Compiled,
        paused: Paused = "leaks",
        *,
        bounds: Bounds = BOUNDS,
        read_out: bool = False,
        scoped: bool = False,
    ) -> None:
        """`paused` says what an event of a paused workflow means.

        "leaks": it was executed all the same (live). "blocked": it would not have been executed
        (simulation). "runs": nothing is ever paused (detections only).
        `read_out` keeps what every rule measures at every event, for those who study a log.
        `scoped`: its events are those that another line has forwarded.
        """
        self.windows = Windows(compiled, bounds, read_out=read_out)
        self.limits = Limits(compiled)
        self.standings = Standings(compiled.book)
        self.decoder = Decoder(compiled, self.windows, scoped=scoped)
        self.scoped = scoped
        self.forwarder = Forwarder(compiled.book) if not scoped else None
        self.outages = Outages(compiled.book, bounds) if scoped else None
        self.recent = Recent()
        self.group_names = GroupNames(compiled)
        self.compiled = compiled
        self.bounds = bounds
        self.bar: Bar | None = None
        self._paused = paused

    def take(self, records: Records) -> Taken:
        """Judge records in log order. Where the log was cut into batches changes nothing."""
        columns = self.decoder.read(records)
        fates, none = np.zeros(len(columns.events), np.int8), np.zeros(0, READING)
        taken = Taken(columns, fates, Effects.none(), none, [], {})
        notes = self.outages.notes(columns) if self.outages else []
        taken.effects.rejected.extend(columns.rejected)
        self.recent.add(columns.batch["key"], columns.event_ids)
        self.limits.begin(columns)
        start = 0
        for note in notes:
            while start < note:
                start = self._stretch(taken, start, note)
            self._failing(columns, note, taken.effects)
            start = note + 1
        while start < len(columns.events):
            start = self._stretch(taken, start, len(columns.events))
        taken.effects.unconverted.update(unconverted(self.compiled, columns, fates))
        forwards = self.forwarder.forwards(columns) if self.forwarder else []
        forwards += filter(None, map(partial(self._note, columns), taken.effects.detections))
        forwards.sort(key=attrgetter("at"))  # wherever the log was cut
        return taken._replace(readings=self.windows.readings(), forwards=forwards)

    def replay(self, records: Records) -> None:
        """Let records pass through the windows again; what followed from them was done before."""
        columns = self.decoder.read(records)
        self.recent.add(columns.batch["key"], columns.event_ids)
        self.limits.begin(columns)
        fates, start = np.zeros(len(columns.events), np.int8), 0
        while start < len(columns.events):
            start, detections = self._detect(columns, fates, start, len(columns.events))
            self.windows.coarsened()
            for detection in detections:
                self._trip(detection, columns, None)
        start = 0
        for note in self.outages.notes(columns) if self.outages else ():
            self.standings.pass_by(columns, fates, range(start, note), None)
            self._failing(columns, note, None)
            start = note + 1
        self.standings.pass_by(columns, fates, range(start, len(columns.events)), None)

    def _note(self, columns: Columns, detection: Detection) -> Forward | None:
        if self.forwarder is None:
            return None
        return self.forwarder.failing(columns, detection.at, detection.policy, detection.rule.rate)

    def _failing(self, columns: Columns, note: int, effects: Effects | None) -> None:
        if self.outages:
            self.outages.take(columns, note, effects)

    def obey(self, command: Command) -> None:
        """A person has moved a breaker, or a replay has come to where it moved.

        The log holds this command to be the first of its generation: it overrules a move of the
        same generation made here.
        """
        if command.generation >= self.standings.of(command.workflow).generation:
            self.standings.stand(command, Breaker(command.state, command.generation))
            if command.state.refuses:
                self.windows.rest(command.workflow)
            self._forgive(command)

    def crossed(self) -> list[tuple[str, str]]:
        """The workflows that run although a rule of theirs is crossed, and its name."""
        return sorted(
            (workflow, self.compiled.rules[rule].name)
            for workflow, rule in self.windows.crossed()
            if not self.standings.of(workflow).state.refuses
        )

    def _forgive(self, command: Command) -> None:
        """A workflow that was let go starts afresh: what came before does not count.

        One that has passed its trial goes on from there.
        """
        passed = command.issued_by == "monitor" and (
            command.state is State.CLOSED or command.limited_until is not None
        )
        if not (command.state.refuses or passed):
            until_us = micros(command.issued_at) - 1
            self.windows.forgive(command.workflow, until_us)
            self.limits.forgive(command.workflow, until_us)

    def _stretch(self, taken: Taken, start: int, stop: int) -> int:
        """Judge events before `stop`, up to one that moves a breaker; the index after it."""
        columns, fates, effects = taken.columns, taken.fates, taken.effects
        due = self.standings.next_due(columns, start)
        if due == start:
            self.standings.wake(columns, start, effects)
            self._forgive(effects.commands[-1])
            due = self.standings.next_due(columns, start)
        due = min(due, stop)
        if self._paused == "blocked":
            self.standings.block(columns, fates, range(start, due))
            self._block_by_scopes(taken, range(start, due))
        end, detections = self._detect(columns, fates, start, due)
        before = range(start, end - bool(detections))  # they are those of the last event
        self.standings.pass_by(columns, fates, before, effects)
        if detections:
            self.standings.elapse(columns, end - 1, effects)
        for detection in detections:
            self._detected(detection, columns, effects)
        self.standings.pass_by(columns, fates, range(before.stop, end), effects)
        if self.windows.coarsened():
            effects.audits.append(noted("coarse", columns, end - 1, COARSE))
        return end

    def _detect(
        self, columns: Columns, fates: NDArray[np.int8], start: int, stop: int
    ) -> tuple[int, list[Detection]]:
        """Take events before `stop`, up to one with detections; the index after it, and these."""
        span = range(start, self.limits.stop(start, stop))
        end, edges = self.windows.take(columns.batch, columns.groups, fates, span, stop=True)
        self.group_names.learn(self.windows, columns)
        found = [self._detection(edge, columns) for edge in edges]
        return end, found + self.limits.settle(columns, fates, end)

    def _block_by_scopes(self, taken: Taken, span: range) -> None:
        for index in span if self.bar else ():
            scope = self.bar(taken.columns, index) if self.bar else None
            if scope and taken.fates[index] != BLOCKED:
                taken.columns.batch["stream"][index] = NONE
                taken.fates[index], taken.barred[index] = BLOCKED, scope

    def _detected(self, detection: Detection, columns: Columns, effects: Effects) -> None:
        if self.standings.of(detection.workflow).state is State.DISABLED:
            return
        effects.detections.append(detection)
        generation = self.standings.of(detection.workflow).generation
        effects.audits.append(detected(detection, columns, generation))
        if self._paused != "runs":
            told = len(effects.alerts)
            self._trip(detection, columns, effects)
            if (note := self._note(columns, detection)) and len(effects.alerts) > told:
                page = effects.alerts[-1].model_copy(update={"target": note.scope})
                effects.alerts[-1] = page
            if self.standings.of(detection.workflow).state.refuses:
                self.windows.rest(detection.workflow)

    def _detection(self, edge: Edge, columns: Columns) -> Detection:
        event_ids = self.recent.find(edge.keys, upto=edge.event + 1)
        group = self.group_names.of(edge, columns)
        return detection_of(self.compiled, edge, columns, group, event_ids)

    def _trip(self, detection: Detection, columns: Columns, effects: Effects | None) -> None:
        self.standings.trip(columns, detection, self.windows.live(), effects)
