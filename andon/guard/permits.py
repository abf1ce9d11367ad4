"""Hears what the monitor deals out on trial."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import ValidationError

from andon.guard.gate import Gate
from andon.guard.tail import Tail
from andon.guard.tally import Tally
from andon.guard.transport import Record, Transport
from andon.permits import Permits
from andon.signing import Verifier
from andon.topics import PERMITS


class PermitFollower:
    """Follows `andon.permits` while its workflow is paused or on trial.

    What was granted holds while nothing is heard, until it lapses.
    """

    def __init__(
        self,
        workflow: str,
        guard_id: Callable[[], str],
        transport: Transport,
        gate: Gate,
        tally: Tally,
        verifier: Verifier | None = None,
    ) -> None:
        self._workflow = workflow
        self._guard_id = guard_id
        self._gate = gate
        self._tally = tally
        self._verifier = verifier
        self.tail = Tail(PERMITS, transport, tally, self, wanted=self.wanted)
        self.opened()

    def wanted(self) -> bool:
        """Whether it is on trial, or a trial may come."""
        return self._gate.on_trial or self._gate.state.state.refuses

    def forked(self) -> None:
        """In a forked child: not started."""
        self.opened()
        self.tail.forked()

    def opened(self) -> None:
        self._behind = True
        self._newest: Permits | None = None

    def read(self, records: Sequence[Record]) -> None:
        for permits in filter(None, map(self._read, records)):
            if not self._behind:
                self._grant(permits)
            elif self._newest is None or permits.place > self._newest.place:
                self._newest = permits  # what was dealt before has lapsed

    def caught_up(self) -> None:
        self._behind = False
        if self._newest:
            self._grant(self._newest)

    def lost(self) -> None:
        """What was granted lapses by itself."""

    def _grant(self, permits: Permits) -> None:
        self._gate.grant(permits, self._guard_id())

    def _read(self, record: Record) -> Permits | None:
        """What was dealt to the guards of this workflow; what cannot be read is counted."""
        if record.key != self._workflow.encode() or record.value is None:
            return None
        if self._verifier and (problem := self._verifier.problem(record.value)):
            self._tally.fault("signature", "of permits that are refused", problem)
            return None
        try:
            permits = Permits.model_validate_json(record.value)
        except ValidationError as error:
            self._tally.fault("command", "of permits that cannot be read", error)
            return None
        if permits.workflow != self._workflow:
            self._tally.fault("command", "under a wrong key", f"for {permits.workflow!r}")
            return None
        return permits
