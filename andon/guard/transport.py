"""What a guard needs of the world: to write records, and to read topics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Message(NamedTuple):
    """One record to write. A `perishable` one is tried once: the next says more."""

    topic: str
    key: bytes
    value: bytes
    perishable: bool = False


class Delivery(NamedTuple):
    """What became of a batch: the records still to be written, and those that never can be."""

    left: list[Message]
    refused: list[tuple[Message, Exception]]
    error: Exception | None = None
    """Why records are left."""


class Record(NamedTuple):
    """One record that was read. `at_ms`: its timestamp, Unix milliseconds."""

    key: bytes | None
    value: bytes | None
    at_ms: int
    headers: Sequence[tuple[str, bytes]] = ()


class Log(Protocol):
    """One topic from its beginning on. Any exception means that the log is lost: open anew."""

    def poll(self, timeout_s: float) -> Sequence[Record]:
        """The next records; empty after `timeout_s`."""

    def caught_up(self) -> bool:
        """Whether everything was read that stood in the log when it was opened."""

    def close(self) -> None: ...


class Transport(Protocol):
    """`deliver` and `close` are called by one thread, `read` by others."""

    def deliver(self, messages: Sequence[Message]) -> Delivery:
        """Write the records in order; returns within some seconds and never raises."""

    def read(self, topic: str) -> Log:
        """Open a topic; raises where there is none to be read now."""

    def forked(self) -> None:
        """Called in a forked child: let go of connections, which are the parent's."""

    def close(self) -> None: ...
