"""The names of groups, as people read them.

Windows keep a hash of each group's values. Mostly the event that crosses a bound is of the group,
and bears them. A reversal need not be of the group of the action that it undoes: a clerk takes
back what a bot has done. So the values are kept for the rules that wait for reversals.
"""

from __future__ import annotations

from typing import Any

from detectors.columns import Columns
from detectors.found import Edge
from detectors.plan import Compiled
from detectors.rates import TERMS
from detectors.windows import Windows

ROOM = 1024
"""So many names of groups that are forgotten are kept, or as many as there are groups held."""


class GroupNames:
    """The values of the groups of one partition's rules that wait for reversals."""

    def __init__(self, compiled: Compiled) -> None:
        self._fields = [TERMS[rule.rate](rule).group for rule in compiled.rules]
        self._values: dict[int, list[Any]] = {}  # by the key of the slot, as the fields stand

    def learn(self, windows: Windows, columns: Columns) -> None:
        """Learn the groups that a batch's events have made, until now."""
        for made in windows.made():
            event, fields = columns.events[made["event"]], self._fields[made["rule"]]
            self._values[int(made["group"])] = [getattr(event, field) for field in fields]
        if len(self._values) > 2 * windows.groups_held + ROOM:
            held = windows.groups()
            self._values = {key: self._values[key] for key in self._values.keys() & held}

    def of(self, edge: Edge, columns: Columns) -> dict[str, Any] | None:
        """The group in which a rule has crossed its bound; None for a rule without groups."""
        fields = self._fields[edge.rule]
        if not fields:
            return None
        values = self._values.get(edge.group)
        if values is None:
            event = columns.events[edge.event]
            values = [getattr(event, field) for field in fields]
        return dict(zip(fields, values, strict=True))

    def dump(self) -> dict[int, list[Any]]:
        """What `load` reads, ready for JSON."""
        return dict(sorted(self._values.items()))

    def load(self, values: dict[str, list[Any]]) -> None:
        """Go on from what `dump` gave."""
        self._values = {int(key): value for key, value in values.items()}
