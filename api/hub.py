"""One reader's records for many guards: what their transport reads here, they would in Kafka."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence

from andon.errors import AndonError
from andon.guard.transport import Delivery, Message, Record
from andon.scope_names import scope_of
from andon.topics import COMMANDS, PERMITS

Place = tuple[str, bytes]
"""Topic and key."""
Write = Callable[[Sequence[Message]], Awaitable[None]]
WRITE_TIMEOUT_S = 20.0
SCOPES: Place = (COMMANDS, b"")
"""Where whoever reads commands listens for those of scopes, beside its workflow."""


class Hub:
    """Thread-safe. The loop's thread tells; the guards' threads listen."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heard = False
        self._records: dict[Place, list[Record]] = defaultdict(list)
        self._scopes: set[Place] = set()
        self._listeners: dict[Place, set[HubLog]] = defaultdict(set)

    def begin(self, records: Iterable[tuple[str, Record]]) -> None:
        """The topics were read to their end: these are their records."""
        with self._lock:
            self._records.clear()
            for topic, record in records:
                self._keep(topic, record)
            self._heard = True

    def tell(self, topic: str, record: Record) -> None:
        """The next record."""
        with self._lock:
            place = self._keep(topic, record)
            heard = SCOPES if place in self._scopes else place
            for listener in self._listeners.get(heard, ()):
                listener.take(record)

    def lose(self) -> None:
        """Nothing is heard any more until `begin`."""
        with self._lock:
            self._heard = False
            for listeners in self._listeners.values():
                for listener in listeners:
                    listener.end("the commands are not heard")

    def open(self, topic: str, workflow: str) -> HubLog:
        """The records of a workflow: of commands the one that holds, and that of every scope; of
        other topics all.

        Raises:
            ConnectionError: none are heard now.
        """
        with self._lock:
            if not self._heard:
                raise ConnectionError("the commands are not heard")
            log = HubLog(self, (topic, workflow.encode()))
            for place in (log.place, *(self._scopes if topic == COMMANDS else ())):
                for record in self._records.get(place, ()):
                    log.take(record)
            for heard in log.heard:
                self._listeners[heard].add(log)
            return log

    def leave(self, log: HubLog) -> None:
        with self._lock:
            for heard in log.heard:
                listeners = self._listeners[heard]
                listeners.discard(log)
                if not listeners:
                    del self._listeners[heard]

    def _keep(self, topic: str, record: Record) -> Place:
        place = (topic, record.key or b"")
        if topic == COMMANDS and scope_of(place[1].decode(errors="replace")):
            self._scopes.add(place)
        if topic in (COMMANDS, PERMITS):
            self._records[place].clear()
        self._records[place].append(record)
        return place


class HubLog:
    """A guard's reader (andon.guard.transport.Log)."""

    def __init__(self, hub: Hub, place: Place) -> None:
        self.place = place
        self.heard = (place, SCOPES) if place[0] == COMMANDS else (place,)
        self._hub = hub
        self._waiting: queue.SimpleQueue[Record | str] = queue.SimpleQueue()

    def take(self, record: Record) -> None:
        self._waiting.put(record)

    def end(self, why: str) -> None:
        """Have the reader hear that the log is lost."""
        self._waiting.put(why)

    def poll(self, timeout_s: float) -> list[Record]:
        try:
            item = self._waiting.get(timeout=timeout_s)
        except queue.Empty:
            return []
        if isinstance(item, str):
            raise ConnectionError(item)
        return [item]

    def caught_up(self) -> bool:
        return self._waiting.empty()

    def close(self) -> None:
        self._hub.leave(self)


class HubTransport:
    """How one guard of this process reaches Kafka (andon.guard.transport.Transport)."""

    def __init__(
        self, workflow: str, hub: Hub, write: Write, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._workflow = workflow
        self._hub = hub
        self._write = write
        self._loop = loop

    def deliver(self, messages: Sequence[Message]) -> Delivery:
        async def write() -> None:
            await self._write(messages)

        done = asyncio.run_coroutine_threadsafe(write(), self._loop)
        try:
            done.result(WRITE_TIMEOUT_S)
        except (AndonError, TimeoutError) as error:
            return Delivery(list(messages), [], error)
        return Delivery([], [])

    def read(self, topic: str) -> HubLog:
        return self._hub.open(topic, self._workflow)

    def forked(self) -> None:
        """This process does not fork."""

    def close(self) -> None:
        """The connection is everybody's."""
