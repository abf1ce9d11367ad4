"""Where each workflow stands: its breaker, since when, and what went on meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from andon.breaker import Authority, Breaker, Cause, State
from andon.commands import Command, Reason
from andon.policy import Policy, PolicyBook, format_duration
from andon.scope_names import scope_of
from detectors import leaks
from detectors.auto_pauses import AutoPauses
from detectors.columns import Columns
from detectors.detections import Detection
from detectors.effects import Effects, Move, detected, noted, write_down
from detectors.flags import AUTOMATION, SUCCESS
from detectors.kernel.loop import BLOCKED, COUNTED, LATE
from detectors.marks import Marks
from detectors.plan import MICRO
from detectors.profiles import NOT_LIVE
from detectors.standing import Standing
from detectors.state import NONE
from detectors.times import micros, moment

_DONE = SUCCESS | AUTOMATION


_NEVER_MOVED = Standing(Breaker(), 0, None)


class Standings:
    """The breakers of a partition's workflows. One that never moved has no entry."""

    def __init__(self, book: PolicyBook) -> None:
        self._policies = book.policies
        self._by_name = {policy.name: policy for policy in book.policies}
        self._marks = Marks()
        self.all: dict[str, Standing] = {}
        self.auto_pauses = AutoPauses(book.auto_pause)
        self.scopes: set[str] = set()  # the names in it that are those of scopes
        self._held: set[str] = set()  # those that are not CLOSED
        self._paused: set[bytes] = set()  # those of them that refuse, as record keys

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

    def may_be_paused(self, keys: Sequence[bytes | None]) -> bool:
        """Whether one of these keys names a paused workflow or scope, or may do: None."""
        return bool(self._paused) and (None in keys or not self._paused.isdisjoint(keys))

    def next_due(self, columns: Columns, start: int) -> int:
        """The first event from `start` on at which a paused workflow goes on trial, or n."""
        return self._marked(columns).due(columns, start) if self._held else len(columns.events)

    def wake(self, columns: Columns, index: int, effects: Effects) -> None:
        """The wait of this event's workflow is over: it goes on trial."""
        standing = self.all[columns.events[index].workflow]
        assert standing.policy is not None
        waited = format_duration(standing.policy.recover.wait_s(standing.trips or 1) or 0)
        self._move(columns, index, Cause.WAITED, Reason(text=f"paused for {waited}"), effects)

    def elapse(self, columns: Columns, index: int, effects: Effects | None) -> None:
        """Where the limited rate of this event's workflow is over by then, it runs freely."""
        standing = self.all.get(columns.events[index].workflow)
        if standing is None or (until_us := standing.limited_until_us) is None:
            return
        if columns.batch["time"][index] < until_us:
            return
        if effects is not None and (policy := self._policy_at(columns, index)):
            lasted = format_duration((until_us - standing.since_us) / MICRO)
            reason = Reason(text=f"ran at a limited rate for {lasted}")
            self._move(columns, index, Cause.ELAPSED, reason, effects, policy)

    def block(self, columns: Columns, fates: NDArray[np.int8], span: range) -> None:
        """Take a span's events of paused workflows out, as if guards had refused them."""
        blocked = self._marked(columns).refused(columns, span)
        columns.batch["stream"][blocked] = NONE
        fates[blocked] = BLOCKED

    def pass_by(
        self, columns: Columns, fates: NDArray[np.int8], span: range, effects: Effects | None
    ) -> None:
        """Note what a span of events without detections means for the breakers, and the late ones.

        On a replay there are no effects: what a breaker did then is known from its command.
        """
        late = span.start + np.flatnonzero(fates[span.start : span.stop] == LATE)
        held = self._marked(columns).held(columns, span) if self._held else late
        for index in map(int, np.union1d(late, held)):
            self.elapse(columns, index, effects)
            if fates[index] == LATE and effects is not None:
                effects.audits.append(noted("late", columns, index, "too late for any window"))
            elif columns.events[index].workflow in self._held:
                self._count(columns, fates, index, effects)

    def trip(
        self, columns: Columns, detection: Detection, live: int, effects: Effects | None
    ) -> None:
        """Pause the workflow, where the policy enforces and both breakers let it: its own, and
        that on pauses, which are for people where too many of `live` workflows were paused.

        On a replay there are no effects: what was paused then is known from its command.
        """
        workflow, before = detection.workflow, self.of(detection.workflow)
        if detection.policy.mode != "enforce" or not before.can(Cause.DETECTION):
            return
        free = before.state is State.HALF_OPEN or detection.policy.built_in
        if free or self.auto_pauses.has_room(workflow, detection.ts_us, live):
            if effects is not None:
                self._pause(columns, detection, effects)
            return
        alert = self.auto_pauses.hold(detection, live)
        if effects is not None:
            effects.held_back.append(detection)
            effects.audits.append(detected(detection, columns, before.generation, "held-back"))
            effects.alerts.extend([alert] if alert else [])

    def stand(self, command: Command, breaker: Breaker) -> None:
        """Set a workflow's breaker from a command."""
        known = self.all.get(command.workflow)
        named = self._by_name.get(command.reason.policy or "")
        policy = named or (known.policy if known else None)
        standing = Standing.told(command, breaker, policy)
        self._set(command.workflow, standing)
        counts = policy is None or not policy.built_in
        if counts and command.issued_by == "monitor" and command.state is State.OPEN:
            self.auto_pauses.note(command.workflow, micros(command.issued_at))

    def dump(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {workflow: standing.dump() for workflow, standing in self.all.items()}

    def load(self, dumped: dict[str, Any]) -> None:
        """Stand as told by `dump`."""
        for workflow, row in dumped.items():
            self._set(workflow, Standing.load(row, self._by_name))

    def _pause(self, columns: Columns, detection: Detection, effects: Effects) -> None:
        policy, reason = detection.policy, detection.reason()
        known = self.all.get(detection.workflow)
        trips = (known or _NEVER_MOVED).trips_at(detection.ts_us, policy)
        if trips is not None and trips > 1:
            wait = format_duration(policy.recover.wait_s(trips) or 0)
            told = f"{reason.text}; pause {trips} in a row, tried again after {wait}"
            reason = reason.model_copy(update={"text": told})
        self._move(columns, detection.at, Cause.DETECTION, reason, effects, policy, trips=trips)
        if not policy.built_in:
            self.auto_pauses.note(detection.workflow, detection.ts_us)

    def _count(
        self, columns: Columns, fates: NDArray[np.int8], index: int, effects: Effects | None
    ) -> None:
        """An action ran although its workflow is paused, or is one of a trial's good ones."""
        batch = columns.batch
        standing = self.all[columns.events[index].workflow]
        ran = (batch["flags"][index] & _DONE) == _DONE and columns.kind[index] != NOT_LIVE
        if not ran or fates[index] != COUNTED or batch["time"][index] <= standing.since_us:
            return
        if standing.breaker.state is State.HALF_OPEN and standing.limited_until_us is None:
            self._pass(columns, index, standing, effects)
        elif standing.breaker.state.refuses:
            standing.leaked_actions += 1
            if effects is not None:
                leaks.tell(
                    columns, index, standing.breaker.generation, standing.leaked_actions, effects
                )

    def _pass(
        self, columns: Columns, index: int, standing: Standing, effects: Effects | None
    ) -> None:
        standing.policy = self._policy_at(columns, index)
        standing.passed += 1
        enough = standing.policy and standing.passed >= standing.policy.recover.trial.passes
        if enough and effects is not None:
            self._passed(columns, index, standing, effects)

    def _passed(self, columns: Columns, index: int, standing: Standing, effects: Effects) -> None:
        """On to a limited rate, where the policy has one, or to no limit."""
        policy = standing.policy
        assert policy is not None
        slow, text = policy.recover.slow, f"{standing.passed} good actions on trial"
        if slow is None:
            self._move(columns, index, Cause.PASSED, Reason(text=text), effects)
        else:
            reason = Reason(text=f"{text}; {slow}", policy=policy.name)
            until_us = int(columns.batch["time"][index]) + slow.lasts * MICRO
            self._move(columns, index, Cause.LIMITED, reason, effects, limited_until_us=until_us)

    def _policy_at(self, columns: Columns, index: int) -> Policy | None:
        """The policy that paused the workflow of an event, or else that of the event."""
        standing, place = self.all[columns.events[index].workflow], int(columns.policy[index])
        if standing.policy is None and place != NONE:
            return self._policies[place]
        return standing.policy

    def _move(
        self,
        columns: Columns,
        index: int,
        cause: Cause,
        reason: Reason,
        effects: Effects,
        policy: Policy | None = None,
        *,
        trips: int | None = None,
        limited_until_us: int | None = None,
    ) -> None:
        workflow, ts_us = columns.events[index].workflow, int(columns.batch["time"][index])
        before, known = self.of(workflow), self.all.get(workflow, _NEVER_MOVED)
        policy = policy or known.policy
        assert policy is not None
        after = before.step(cause, Authority.MONITOR)
        trips = trips if cause is Cause.DETECTION else known.trips
        self._set(
            workflow,
            Standing(
                *(after, ts_us, policy),
                trips=trips,
                limited_until_us=limited_until_us,
                reopened=known.reopened,
            ),
        )
        limited_until = None if limited_until_us is None else moment(limited_until_us)
        told = (reason, trips, limited_until, known.reopened)
        write_down(effects, Move(columns, index, before, after, cause, policy, *told))

    def _marked(self, columns: Columns) -> Marks:
        """The marks of this batch."""
        if self._marks.begin(columns):
            for workflow in self._held:
                self._mark(workflow, self.all[workflow])
        return self._marks

    def _mark(self, workflow: str, standing: Standing) -> None:
        state = standing.breaker.state
        held, refused = state is not State.CLOSED, state.refuses
        self._marks.mark(workflow, held=held, refused=refused, due_us=standing.due_us)

    def _set(self, workflow: str, standing: Standing) -> None:
        self._mark(workflow, standing)
        self.all[workflow] = standing
        if scope_of(workflow):
            self.scopes.add(workflow)
        state = standing.breaker.state
        (self._held.discard if state is State.CLOSED else self._held.add)(workflow)
        (self._paused.add if state.refuses else self._paused.discard)(workflow.encode())
