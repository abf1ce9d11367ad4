"""Both stages of the monitor over one log: the line of workflows, and behind it that of scopes."""

from __future__ import annotations

from operator import itemgetter

from andon.commands import Command
from detectors.columns import Columns, Records
from detectors.detections import Detection
from detectors.effects import Effects
from detectors.kernel.loop import BLOCKED
from detectors.line import Line, Paused, Taken
from detectors.plan import Compiled
from detectors.scoped import Forward


class Stages:
    """Judges a log, whose records carry their numbers as offsets, as one line would.

    What a scope's pause blocks is known before the next event only, so with "blocked" and policies
    of scopes each event has to be taken by itself: `one_by_one`.
    """

    def __init__(self, compiled: Compiled, paused: Paused) -> None:
        self.line = Line(compiled, paused)
        self._scopes = Line(compiled, paused, scoped=True)
        forwarder = self.line.forwarder
        assert forwarder is not None
        self._forwarder = forwarder
        self.one_by_one = paused == "blocked" and not forwarder.idle
        if self.one_by_one:
            self.line.bar = self._barred_by

    def take(self, records: Records) -> Taken:
        """The first stage's batch with what the second one makes of it, in log order."""
        taken = self.line.take(records)
        if self._forwarder.idle:
            return taken
        forwards = [each for each in taken.forwards if self._happens(taken, each)]
        if not forwards:
            return taken
        assert records.offsets is not None
        places = [int(taken.columns.record[each.at]) for each in forwards]
        second = self._scopes.take(
            Records([each.value for each in forwards], offsets=[records.offsets[p] for p in places])
        )
        return taken._replace(effects=_merged(taken, second, places))

    def _happens(self, taken: Taken, forward: Forward) -> bool:
        """Whether it was not refused on its workflow's own account; the second stage asks again."""
        return taken.fates[forward.at] != BLOCKED or forward.at in taken.barred

    def _barred_by(self, columns: Columns, at: int) -> str | None:
        """The scope whose pause blocks an event; none where its wait is over by then."""
        for scope, _ in self._forwarder.scopes(columns, at, columns.events[at]):
            standing = self._scopes.standings.all.get(scope)
            if standing is None or not standing.breaker.state.refuses:
                continue
            due_us = standing.due_us
            if due_us is None or int(columns.batch["time"][at]) < due_us:
                return scope
        return None


def _merged(first: Taken, second: Taken, places: list[int]) -> Effects:
    """The effects of both stages in log order; `places` are the records that the second judged."""
    detections = [(_record(first, each), each) for each in first.effects.detections]
    detections += [(places[_record(second, each)], each) for each in second.effects.detections]
    rejected = [each._replace(record=places[each.record]) for each in second.effects.rejected]
    return first.effects._replace(
        commands=sorted([*first.effects.commands, *second.effects.commands], key=_offset),
        audits=[*first.effects.audits, *second.effects.audits],
        alerts=[*first.effects.alerts, *second.effects.alerts],
        rejected=[*first.effects.rejected, *rejected],
        detections=[each for _, each in sorted(detections, key=itemgetter(0))],
    )


def _record(taken: Taken, found: Detection) -> int:
    return int(taken.columns.record[found.at])


def _offset(command: Command) -> int:
    assert command.source is not None
    return command.source.offset
