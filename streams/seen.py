"""Which names events have borne, so that a policy's globs can be held against them."""

from __future__ import annotations

from collections.abc import Iterable

from andon.errors import EventError
from andon.policy_review import NAMED, Known
from andon.topics import EVENTS
from detectors.wire import read_event
from streams.topic_reader import open_topics

NAMES_MAX = 100_000
"""Different names of a field; with more of them, its names count as not known."""
NEWEST = 50_000
"""Events of a partition that are looked at, from its end."""


class Seen:
    """The names in the events that were added."""

    def __init__(self) -> None:
        self.events = 0
        self._names: dict[str, set[str]] = {field: set() for field in NAMED}

    def add(self, values: Iterable[bytes | None]) -> None:
        """Take in raw records; what is no event, as far as its names show, is passed over."""
        for value in values:
            try:
                event = read_event(value)
            except EventError:
                continue
            self.events += 1
            for field, names in self._names.items():
                name = getattr(event, field)
                if name is not None and len(names) <= NAMES_MAX:
                    names.add(str(name))

    @property
    def known(self) -> Known:
        """The names by field; nothing is known of a field that has too many, or without events."""
        if not self.events:
            return {}
        return {field: names for field, names in self._names.items() if len(names) <= NAMES_MAX}


async def see_newest(seen: Seen, bootstrap_servers: str) -> None:
    """Add the newest records of each partition of the event topic.

    Raises:
        BrokerError: the broker went away, or lacks the topic.
    """
    async with open_topics(bootstrap_servers, EVENTS) as reader:
        await reader.begin_with_newest(NEWEST)
        async for record in reader.new_records():
            seen.add([record.value])
