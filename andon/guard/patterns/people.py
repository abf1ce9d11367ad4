"""The guard's side of `andon.approvals`: it asks people, and hears what they say."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future

from pydantic import ValidationError

from andon.approvals import ApprovalRecord, Ask, Claim, Undo, parse_approval
from andon.approvals_log import ApprovalsLog, Request, Standing
from andon.errors import SignatureError
from andon.guard.steps import Steps, Wait
from andon.guard.tail import Tail
from andon.guard.tally import Tally
from andon.guard.transport import Message, Record, Transport
from andon.ids import uuid7
from andon.signing import Verifier
from andon.topics import APPROVALS

CLAIM_S = 10.0
"""How long a guard waits to read its own claim in the log."""


class People:
    """Knows all requests of one workflow. Its thread starts with the first use; thread-safe."""

    def __init__(
        self,
        workflow: str,
        guard_id: Callable[[], str],
        transport: Transport,
        send: Callable[[Message], None],
        tally: Tally,
        verifier: Verifier | None = None,
    ) -> None:
        self._workflow = workflow
        self.guard_id = guard_id
        self.on_order: Callable[[Request], None] = lambda request: None
        self._send = send
        self._tally = tally
        self._verifier = verifier
        self.tail = Tail(APPROVALS, transport, tally, self)
        self.forked()

    def forked(self) -> None:
        """In a forked child: nothing known, not started."""
        self._lock = threading.Lock()
        self._log = ApprovalsLog()
        self._behind: ApprovalsLog | None = None
        self._sent: dict[tuple[str, str], Ask] = {}
        self._waiting: dict[str, set[Future[None]]] = {}
        self.known: Future[None] = Future()
        self.tail.forked()

    def send(self, record: ApprovalRecord) -> None:
        """Write a record, before all events."""
        self._send(Message(APPROVALS, self._workflow.encode(), record.to_json()))

    def ask(self, ask: Ask) -> None:
        """Put a question to people."""
        with self._lock:
            self._sent[ask.action, ask.digest] = ask
        self.send(ask)

    def asked(self, action: str, digest: str, people: int) -> tuple[str, Standing] | None:
        """The newest question about this that still means something, where it stands.

        It has to ask for at least so many people. One that the log does not have yet is pending.
        """
        with self._lock:
            for ask, request in self._log.asks(action, digest):
                standing = request.standing(_now_ms())
                if standing not in (Standing.USED, Standing.EXPIRED) and ask.people >= people:
                    return ask.request_id, standing
            sent = self._sent.get((action, digest))
            if sent and sent.people >= people and sent.request_id not in self._log.requests:
                return sent.request_id, Standing.PENDING
            return None

    def get(self, request_id: str) -> Request | None:
        """What the log says of a request, None where it is not in the log yet."""
        with self._lock:
            return self._log.requests.get(request_id)

    def standing(self, request_id: str) -> Standing:
        """Where a request stands now."""
        request = self.get(request_id)
        return request.standing(_now_ms()) if request else Standing.PENDING

    def words(self, request_id: str) -> str:
        """Who denied a request, and why."""
        request = self.get(request_id)
        denial = request.denial if request else None
        return f"{denial.issued_by.removeprefix('user:')}: {denial.reason}" if denial else ""

    def settled(self, request_id: str, timeout_s: float) -> Steps[Standing]:
        """Wait until a request is no longer pending; where it stands then."""
        yield from self.until(
            request_id,
            lambda request: request.standing(_now_ms()) is not Standing.PENDING,
            timeout_s,
        )
        return self.standing(request_id)

    def claim(self, request_id: str) -> Steps[bool]:
        """Take up what was approved or ordered; False where another was first, or nobody answers.

        What the log says counts, not what was written: so an approval is used once, whoever and
        wherever the guards are that hold it.
        """
        claim = Claim(
            request_id=request_id,
            workflow=self._workflow,
            claim_id=uuid7(),
            guard=self.guard_id(),
        )
        before = self.get(request_id)
        refusals = len(before.refused) if before else 0
        self.send(claim)
        request = yield from self.until(
            request_id,
            lambda request: request.claim is not None or len(request.refused) > refusals,
            CLAIM_S,
        )
        return request is not None and request.claim == claim

    def until(
        self, request_id: str, holds: Callable[[Request], bool], timeout_s: float
    ) -> Steps[Request | None]:
        """Wait until something holds of a request; the request, or None where time ran out."""
        deadline = time.monotonic() + timeout_s
        while True:
            moved: Future[None] = Future()
            with self._lock:
                request = self._log.requests.get(request_id)
                if request and holds(request):
                    return request
                self._waiting.setdefault(request_id, set()).add(moved)
            try:
                if not (yield Wait(moved, max(0.0, deadline - time.monotonic()))):
                    return None
            finally:
                self._forget(request_id, moved)

    # --- what the tail tells ----------------------------------------------------------------------

    def opened(self) -> None:
        self._behind = ApprovalsLog()  # begun anew: what stood before a question is no answer to it

    def read(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.key == self._workflow.encode() and record.value is not None:
                self._take(record.value, record.at_ms)

    def caught_up(self) -> None:
        with self._lock:
            if self._behind is not None:
                self._log, self._behind = self._behind, None
            waiting: set[Future[None]] = set().union(*self._waiting.values())
            orders = [each for each in self._log.requests.values() if isinstance(each.order, Undo)]
        _wake(waiting | {self.known})
        for order in orders:  # a fresh one may have come while nothing was heard
            self._tell(order)

    def lost(self) -> None:
        """What was heard stays; what is claimed meanwhile will not be heard in time."""

    def _take(self, value: bytes, at_ms: int) -> None:
        try:
            record = parse_approval(value, self._verifier)
        except SignatureError as error:
            self._tally.fault("signature", "of what people say, which does not count", error)
            return
        except ValidationError as error:
            self._tally.fault("approval", "that cannot be read", error)
            return
        if record.workflow != self._workflow:
            self._tally.fault("approval", "under a wrong key", f"it is for {record.workflow!r}")
            return
        with self._lock:
            request = (self._log if self._behind is None else self._behind).take(record, at_ms)
            if isinstance(record, Ask):
                self._sent.pop((record.action, record.digest), None)
            waiting = self._waiting.get(record.request_id, set()).copy()
        if request is None:
            self._tally.fault("approval", "of an unknown request", record.request_id)
        elif isinstance(record, Undo):
            self._tell(request)
        _wake(waiting)

    def _tell(self, order: Request) -> None:
        if order.standing(_now_ms()) is Standing.APPROVED and self._behind is None:
            self.on_order(order)

    def _forget(self, request_id: str, moved: Future[None]) -> None:
        with self._lock:
            waiting = self._waiting.get(request_id, set())
            waiting.discard(moved)
            if not waiting:
                self._waiting.pop(request_id, None)


def _wake(futures: Iterable[Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


def _now_ms() -> float:
    return time.time() * 1000
