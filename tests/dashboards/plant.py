"""A monitor and a guard at work without a broker: the real engine, guard and exporters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server

from andon import Guard, MemoryTransport, State
from andon.commands import Ack, Command, Reason
from andon.guard.exporter import export
from detectors.columns import Records
from detectors.line import Line
from detectors.plan import compile_book
from streams.closed_loop import Guards
from streams.exporter import Exporter
from tests.eventlog import START, book_of, line

RULES = [
    {"name": "errors", "rate": "error", "over": "1h", "above": "50%"},
    {"name": "denials", "rate": "denied", "over": "1h", "above": "50%"},
    {"name": "reversals", "rate": "reversal", "over": "1h", "above": "50%"},
    {"name": "many", "rate": "volume", "over": "1h", "at_least": 1000},
    {"name": "money", "rate": "value", "over": "1h", "at_least": 5000, "currency": "USD"},
    {"name": "again", "rate": "duplicate", "over": "1h", "at_least": 99, "same": ["target"]},
    {"name": "loop", "rate": "steps", "over": "1h", "at_least": 99},
]
CONVERT = {"to": "USD", "rates": {"EUR": 1.08}}
BOOK = book_of(
    {"name": "refunds", "match": {"workflow": "refunds"}, "rules": RULES, "convert": CONVERT}
)


class Plant:
    """One workflow, `refunds`, from its first event to its pause and back.

    `monitor` and `guard` are the addresses (host:port) of their metrics.
    """

    def __init__(self, monitor: str, guard: str, exporter: Exporter, automation: Guard) -> None:
        self.monitor, self.guard = monitor, guard
        self._exporter = exporter
        self._automation = automation
        self._line = Line(compile_book(BOOK))
        self._made = 0

    def life(self) -> list[tuple[Callable[[], None], State]]:
        """What happens, and where the workflow stands after it."""
        return [
            (self.work, State.CLOSED),
            (self.work, State.CLOSED),
            (self.cross_the_bound, State.OPEN),
            (lambda: self.move(State.HALF_OPEN, 2), State.HALF_OPEN),
            (lambda: self.move(State.CLOSED, 3), State.CLOSED),
        ]

    def show(self) -> None:
        """What the monitor does every second."""
        self._exporter.show([self._line], {0: 3}, {"refunds": Guards(live=2, missing=1)}, {0: 1})

    def work(self) -> None:
        """A refund of USD 10, an error, a denial, an undone refund, and some that do not count."""
        refund = self._event(value=10, currency="USD", target="ch_1", run="r1")
        self._take(
            refund,
            refund,
            self._event(outcome="error"),
            self._event(outcome="denied"),
            self._event(value=900, currency="JPY"),
            self._event(reverses="elsewhere", by="human"),
            self._event(mode="shadow"),
            self._event(workflow="mail"),
            line("old", -90_000),
            b"{",
            line("wrong", 0, value=-1, currency="USD"),
        )
        with self._automation.attempt("transact", "refund.create"):
            pass

    def cross_the_bound(self) -> None:
        """One large refund; the monitor pauses the workflow, and an action leaks all the same."""
        self._take(self._event(value=6000, currency="USD"))
        self._take(self._event(value=50, currency="USD"))
        ack = Ack(
            workflow="refunds", generation=1, guard="g", automation="agent-1", applied_at=START
        )
        self._exporter.acked([ack])
        self._exporter.paused(0.012)
        for result in ("retried", "delivered"):
            self._exporter.delivered("terminal", result)

    def move(self, state: State, generation: int) -> None:
        """A person moves the breaker, as `andon reset` does."""
        command = Command(
            command_id=f"c{generation}",
            workflow="refunds",
            generation=generation,
            state=state,
            reason=Reason(text="Ana looked at it."),
            issued_at=START,
            issued_by="user:ana",
        )
        self._line.obey(command)

    def _event(self, **fields: Any) -> bytes:
        self._made += 1
        return line(f"e{self._made}", self._made, **fields)

    def _take(self, *records: bytes) -> None:
        taken = self._line.take(Records(records))
        self._exporter.took(taken, self._line)
        self._exporter.finished(0, len(records), 0.004)
        self._exporter.finished(0, 1, 0.001, scoped=True)


@contextmanager
def plant() -> Iterator[Plant]:
    """Serves the metrics on free ports until it is left."""
    exporter, registry = Exporter(), CollectorRegistry()
    exporter.set("andon_policy_valid", 1)
    automation = Guard("refunds", "agent-1", transport=MemoryTransport())
    export(automation, registry=registry)
    with ExitStack() as stack:
        stack.enter_context(automation)
        monitor, guard = _serve(stack, exporter.registry), _serve(stack, registry)
        yield Plant(monitor, guard, exporter, automation)


def _serve(stack: ExitStack, registry: CollectorRegistry) -> str:
    """Serve a registry on a free port until the stack is left; returns host:port."""
    server, _ = start_http_server(0, "127.0.0.1", registry)
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    return f"127.0.0.1:{server.server_port}"
