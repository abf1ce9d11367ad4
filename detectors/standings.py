"""Where each workflow stands: its breaker, since when, and what went on meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from andon.breaker import Authority, Breaker, Cause, State
from andon.commands import Command, Reason
from andon.policy import Policy, PolicyBook, format_duration
from detectors.columns import Columns
from detectors.detections import Detection
from detectors.effects import Effects, Leak, Move, noted, write_down
from detectors.flags import AUTOMATION, SUCCESS
from detectors.kernel.loop import BLOCKED, COUNTED, LATE
from detectors.plan import MICRO
from detectors.profiles import NOT_LIVE
from detectors.state import NONE
from detectors.times import micros

_DONE = SUCCESS | AUTOMATION


@dataclass(slots=True)
class Standing:
    """One workflow that is not, or was not always, simply running."""

    breaker: Breaker
    since_us: int
    policy: Policy | None
    passed: int = 0  # good actions of this trial
    leaked_actions: int = 0  # executed although paused

    @property
    def due_us(self) -> int | None:
        """When a paused workflow may be tried again; None when only a person may say so."""
        if self.breaker.state is not State.OPEN or self.policy is None:
            return None
        after = self.policy.recover.after
        return None if after is None else self.since_us + after * MICRO


class Standings:
    """The breakers of a partition's workflows. One that never moved has no entry."""

    def __init__(self, book: PolicyBook) -> None:
        self._policies = book.policies
        self._by_name = {policy.name: policy for policy in book.policies}
        self.all: dict[str, Standing] = {}
        self._held: set[str] = set()  # those that are not CLOSED

    def of(self, workflow: str) -> Breaker:
        """The workflow's breaker."""
        standing = self.all.get(workflow)
        return standing.breaker if standing else Breaker()

    def is_past(self, command: Command) -> bool:
        """Whether the workflow has moved as this command says, or further."""
        return command.generation < self.of(command.workflow).generation or self.stands_by(command)

    def stands_by(self, command: Command) -> bool:
        """Whether the workflow stands where this command put it, and since then."""
        known = self.all.get(command.workflow)
        return (
            known is not None
            and known.breaker == Breaker(command.state, command.generation)
            and known.since_us == micros(command.issued_at)
        )

    @property
    def any_paused(self) -> bool:
        """Whether some workflow is paused."""
        return any(self.all[name].breaker.state.refuses for name in self._held)

    def next_due(self, columns: Columns, start: int) -> int:
        """The first event from `start` on at which a paused workflow goes on trial, or n."""
        waiting = {name: self.all[name].due_us for name in self._held}
        dues = {name: due for name, due in waiting.items() if due is not None}
        if dues:
            mine, times = columns.of(dues, range(start, len(columns.events))), columns.batch["time"]
            for index in map(int, mine[times[mine] >= min(dues.values())]):
                if times[index] >= dues[columns.events[index].workflow]:
                    return index
        return len(columns.events)

    def wake(self, columns: Columns, index: int, effects: Effects) -> None:
        """The wait of this event's workflow is over: it goes on trial."""
        standing = self.all[columns.events[index].workflow]
        assert standing.policy is not None
        waited = format_duration(standing.policy.recover.after or 0)
        self._move(columns, index, Cause.WAITED, Reason(text=f"paused for {waited}"), effects)

    def block(self, columns: Columns, fates: NDArray[np.int8], span: range) -> None:
        """Take a span's events of paused workflows out, as if guards had refused them."""
        paused = {name for name in self._held if self.all[name].breaker.state.refuses}
        blocked = columns.of(paused, span)
        columns.batch["stream"][blocked] = NONE
        fates[blocked] = BLOCKED

    def pass_by(
        self, columns: Columns, fates: NDArray[np.int8], span: range, effects: Effects | None
    ) -> None:
        """Note what a span of events without detections means for the breakers, and the late ones.

        On a replay there are no effects: what a breaker did then is known from its command.
        """
        late = span.start + np.flatnonzero(fates[span.start : span.stop] == LATE)
        for index in map(int, np.union1d(late, columns.of(self._held, span))):
            if fates[index] == LATE and effects is not None:
                effects.audits.append(noted("late", columns, index, "too late for any window"))
            elif columns.events[index].workflow in self._held:
                self._count(columns, fates, index, effects)

    def trip(self, columns: Columns, detection: Detection, effects: Effects) -> None:
        """Pause the workflow, where the policy enforces and the breaker lets it."""
        enforced = detection.policy.mode == "enforce"
        if enforced and self.of(detection.workflow).can(Cause.DETECTION):
            reason = detection.reason()
            self._move(columns, detection.at, Cause.DETECTION, reason, effects, detection.policy)

    def stand(self, command: Command, breaker: Breaker) -> None:
        """Set a workflow's breaker from a command."""
        known = self.all.get(command.workflow)
        named = self._by_name.get(command.reason.policy or "")
        policy = named or (known.policy if known else None)
        self._set(command.workflow, Standing(breaker, micros(command.issued_at), policy))

    def dump(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {
            workflow: (
                *standing.breaker,
                standing.since_us,
                standing.policy and standing.policy.name,
                standing.passed,
                standing.leaked_actions,
            )
            for workflow, standing in self.all.items()
        }

    def load(self, dumped: dict[str, Any]) -> None:
        """Stand as told by `dump`."""
        for workflow, (state, generation, since_us, policy, passed, leaked) in dumped.items():
            breaker = Breaker(State(state), generation)
            known = self._by_name.get(policy)
            self._set(workflow, Standing(breaker, since_us, known, passed, leaked))

    def _count(
        self, columns: Columns, fates: NDArray[np.int8], index: int, effects: Effects | None
    ) -> None:
        """An action ran although its workflow is paused, or is one of a trial's good ones."""
        batch = columns.batch
        standing = self.all[columns.events[index].workflow]
        ran = (batch["flags"][index] & _DONE) == _DONE and columns.kind[index] != NOT_LIVE
        if not ran or fates[index] != COUNTED or batch["time"][index] <= standing.since_us:
            return
        if standing.breaker.state is State.HALF_OPEN:
            self._pass(columns, index, standing, effects)
        elif standing.breaker.state.refuses:
            _leak(columns, index, standing, effects)

    def _pass(
        self, columns: Columns, index: int, standing: Standing, effects: Effects | None
    ) -> None:
        if standing.policy is None and columns.policy[index] != NONE:
            standing.policy = self._policies[columns.policy[index]]
        standing.passed += 1
        enough = standing.policy and standing.passed >= standing.policy.recover.trial.passes
        if enough and effects is not None:
            text = f"{standing.passed} good actions on trial"
            self._move(columns, index, Cause.PASSED, Reason(text=text), effects)

    def _move(
        self,
        columns: Columns,
        index: int,
        cause: Cause,
        reason: Reason,
        effects: Effects,
        policy: Policy | None = None,
    ) -> None:
        workflow, ts_us = columns.events[index].workflow, int(columns.batch["time"][index])
        before = self.of(workflow)
        policy = policy or self.all[workflow].policy
        assert policy is not None
        standing = Standing(before.step(cause, Authority.MONITOR), ts_us, policy)
        self._set(workflow, standing)
        write_down(effects, Move(columns, index, before, standing.breaker, cause, policy, reason))

    def _set(self, workflow: str, standing: Standing) -> None:
        self.all[workflow] = standing
        held = standing.breaker.state is not State.CLOSED
        (self._held.add if held else self._held.discard)(workflow)


def _leak(columns: Columns, index: int, standing: Standing, effects: Effects | None) -> None:
    event = columns.events[index]
    standing.leaked_actions += 1
    if effects is None:
        return
    effects.leaks.append(
        Leak(
            event.workflow,
            standing.breaker.generation,
            int(columns.batch["time"][index]),
            event.event_id,
            event.automation,
            event.value,
            event.currency,
        )
    )
    if _is_power_of_ten(standing.leaked_actions):
        text = f"{standing.leaked_actions} actions executed while paused"
        effects.audits.append(noted("leak", columns, index, text, events=standing.leaked_actions))


def _is_power_of_ten(number: int) -> bool:
    """Leaks are audited at the 1st, 10th, 100th ...: a flood of them must not become two."""
    return str(number).strip("0") == "1"
