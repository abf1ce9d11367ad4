"""Numbers for workflows and their streams: what the compiled loop knows them by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Numbers:
    """Hands numbers out and takes those of forgotten workflows back.

    `streams` holds the number of each (workflow, policy), `workflows` that of each workflow. A
    stream's number is only given to streams of the same policy: its slots go with it.
    """

    def __init__(self) -> None:
        self.streams: dict[tuple[str, int], int] = {}
        self.workflows: dict[str, int] = {}
        self._free_streams: dict[int, list[int]] = {}
        self._free_workflows: list[int] = []
        self.streams_given = 0

    def new_stream(self, workflow: str, policy: int) -> int:
        """A number for a stream; from `streams_given` on none was ever given before."""
        free = self._free_streams.get(policy)
        number = free.pop() if free else self.streams_given
        self.streams_given += number == self.streams_given
        self.streams[workflow, policy] = number
        return number

    def workflow(self, name: str) -> int:
        """The number of a workflow, given now where it has none."""
        number = self.workflows.get(name)
        if number is None:
            free = self._free_workflows
            number = self.workflows[name] = free.pop() if free else len(self.workflows)
        return number

    def release(self, forgotten: Callable[[int], bool]) -> None:
        """Take back the numbers of forgotten workflows; `forgotten` tells it of a number."""
        for name in [name for name, at in self.workflows.items() if forgotten(at)]:
            self._free_workflows.append(self.workflows.pop(name))
        for key in [key for key in self.streams if key[0] not in self.workflows]:
            self._free_streams.setdefault(key[1], []).append(self.streams.pop(key))

    def names(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {
            "streams": list(self.streams),
            "numbers": list(self.streams.values()),
            "workflows": self.workflows,
            "free_streams": list(self._free_streams.items()),
            "free_workflows": self._free_workflows,
            "streams_given": self.streams_given,
        }

    @classmethod
    def of(cls, names: dict[str, Any]) -> Numbers:
        """What `names` was made of."""
        numbers = cls()
        keys = map(tuple, names["streams"])
        numbers.streams = dict(zip(keys, names["numbers"], strict=True))
        numbers.workflows = names["workflows"]
        numbers._free_streams = dict(names["free_streams"])
        numbers._free_workflows = names["free_workflows"]
        numbers.streams_given = names["streams_given"]
        return numbers
