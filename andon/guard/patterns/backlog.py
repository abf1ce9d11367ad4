"""The backlog: calls that a pause refuses are kept, and run when people or the policy say so."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from andon.breaker import State
from andon.errors import BreakerOpen
from andon.events import Capability
from andon.guard.gate import Gate, Refusal
from andon.guard.patterns.held import LOOK_EVERY_S, Fate, HeldCall, run
from andon.guard.patterns.policies import Policies
from andon.guard.patterns.rails import Rails
from andon.guard.steps import LEARN_S, Steps, Wait
from andon.guard.tally import BACKLOG, Tally
from andon.recover import Backlog

if TYPE_CHECKING:
    from andon.guard.attempt import Attempt
    from andon.guard.recorder import Recorder

CLOSED = "the guard was closed"


class Pace:
    """When calls are released: evenly, so that no `every` ever holds more than `release`.

    Each bound has a pace of its own; one that is new waits for the release before it.
    """

    def __init__(self) -> None:
        self._newest: dict[Backlog, int] = {}

    def due_ns(self, bound: Backlog) -> int:
        """From when on the next may be released, by the clock of `take`; 0 before any was."""
        newest = self._newest.get(bound) or max(self._newest.values(), default=None)
        return 0 if newest is None else newest + bound.gap_ns

    def take(self, bound: Backlog, now_ns: int) -> None:
        """One was released."""
        self._newest[bound] = now_ns


class HeldCalls:
    """What one guard holds, the oldest first. Thread-safe.

    One thread runs them, one after the other; it starts with the first that is held. Each passes
    breakers, permits and guardrails as if it were called then; one that a breaker refuses stays.
    """

    def __init__(
        self, recorder: Recorder, rails: Rails, policies: Policies, gate: Gate, tally: Tally
    ) -> None:
        self._recorder = recorder
        self._rails = rails
        self._policies = policies
        self._gate = gate
        self._tally = tally
        self.forked()
        recorder.keep = self._keep

    def forked(self) -> None:
        """In a forked child: what is held is the parent's to run."""
        self._changed = threading.Condition()
        self._held: dict[str, HeldCall] = {}
        self._ordered: dict[str, HeldCall] = {}
        self._pace = Pace()
        self._worker: threading.Thread | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._held)

    @property
    def calls(self) -> tuple[HeldCall, ...]:
        """Those that are held now."""
        with self._changed:
            return tuple(self._held.values())

    def run(self, n: int) -> int:
        """Have the oldest `n` run now, at no rate; how many there are.

        Returns at once: their tickets tell what became of them.
        """
        with self._changed:
            others = [call for call in self._held.values() if call.id not in self._ordered]
            ordered = {call.id: call for call in others[: max(0, n)]}
            self._ordered |= ordered
            self._changed.notify_all()
            return len(ordered)

    def drop(self, n: int | None = None) -> int:
        """Give up the oldest `n`, or all; how many there were. Each is told as denied."""
        return sum(self._drop(call, "a person gave it up") for call in self.calls[:n])

    def close(self, timeout_s: float) -> float:
        """Wait for the one that runs, drop the others; what is left of the time."""
        until_s = time.monotonic() + timeout_s
        with self._changed:
            self._closed = True
            worker = self._worker
            self._changed.notify_all()
        if worker and worker is not threading.current_thread():
            worker.join(timeout_s)
        for call in self.calls:
            self._drop(call, CLOSED)
        return max(0.0, until_s - time.monotonic())

    def _keep(self, attempt: Attempt, refusal: Refusal) -> Steps[Refusal]:
        """What the caller of a refused attempt is told: with a ticket, where it is kept."""
        error, options = refusal.error, attempt.options
        if not (isinstance(error, BreakerOpen) and options and options.backlog and attempt.call):
            return refusal
        if attempt.held:
            return refusal._replace(reason=f"{refusal.reason}; still held ({attempt.held})")
        if refusal.stale or attempt.mode is not None:
            return refusal
        if self._policies.guard and not self._policies.known:
            yield Wait(self._policies.learned, LEARN_S)
        bound = self._policies.backlog(attempt.capability)
        if bound is None or self._rails.objects(attempt):
            return refusal
        with self._changed:
            if problem := self._no_room(bound):
                self._tally.add(BACKLOG, "no_room")
                return refusal._replace(reason=f"{refusal.reason}; not held: {problem}")
            call = HeldCall(attempt, error, self._drop)
            self._held[call.id] = call
            attempt.held = call.id
            self._changed.notify_all()
        self._tally.add(BACKLOG, "held")
        return Refusal(call.refusal(), f"{refusal.reason}; held ({call.id})")

    def _no_room(self, bound: Backlog) -> str | None:
        """Why nothing more can be held; else there is a thread that runs what is."""
        if self._closed:
            return "the guard is closed"
        if len(self._held) >= bound.at_most:
            return f"the backlog is full ({bound.at_most})"
        if self._worker is None:
            worker = threading.Thread(target=self._work, name="andon-backlog", daemon=True)
            try:
                worker.start()
            except RuntimeError as error:  # the machine has no thread left, or the process ends
                return str(error)
            self._worker = worker
        return None

    def _drop(self, call: HeldCall, why: str) -> bool:
        with self._changed:
            if self._held.pop(call.id, None) is None:
                return False
            call.end(Fate.DROPPED)
        self._tally.add(BACKLOG, "dropped")
        self._recorder.dropped(
            call.attempt, f"dropped from the backlog after {call.held_for}: {why}"
        )
        return True

    # --- the thread -------------------------------------------------------------------------------

    def _work(self) -> None:
        while call := self._next():
            if run(call):
                self._tally.add(BACKLOG, "released")
                if call.standing is Fate.FAILED:
                    self._tally.warn("held call", call.attempt.action, call.error)
                continue
            with self._changed:
                call.standing = Fate.HELD
                self._held = {call.id: call, **self._held}
            if self._closed:
                self._drop(call, CLOSED)

    def _next(self) -> HeldCall | None:
        """The next that may run; waits for it. None once the guard is closed."""
        with self._changed:
            while not self._closed:
                now_ns, dues = time.monotonic_ns(), self._dues()
                call = self._that_is_ordered() or self._that_is_due(dues, now_ns)
                if call is not None:
                    if bound := self._policies.backlog(call.attempt.capability):
                        self._pace.take(bound, now_ns)
                    del self._held[call.id]
                    call.standing = Fate.RUNNING
                    return call
                ahead_s = [(due - now_ns) / 1e9 for due in dues.values() if due > now_ns]
                self._changed.wait(min([LOOK_EVERY_S, *ahead_s]) if self._held else None)
            return None

    def _dues(self) -> dict[Capability, int]:
        """From when on an action of each kind may be released, of those that are."""
        bounds = ((each, self._policies.backlog(each)) for each in Capability)
        return {each: self._pace.due_ns(bound) for each, bound in bounds if bound and bound.release}

    def _that_is_ordered(self) -> HeldCall | None:
        while self._ordered:
            call = self._ordered.pop(next(iter(self._ordered)))
            if call.id in self._held and not self._gate.judge(call.attempt, take=False):
                return call
        return None

    def _that_is_due(self, dues: dict[Capability, int], now_ns: int) -> HeldCall | None:
        due = {each for each, due_ns in dues.items() if due_ns <= now_ns}
        if not due or not self._gate.connected or self._gate.state.state is not State.CLOSED:
            return None
        for call in self._held.values():
            if call.attempt.capability in due and not self._gate.judge(call.attempt, take=False):
                return call
        return None
