"""Limits after the fact: actions that took effect although a limit of their policy is below them.

Guards hold a limit against an action before it runs, and refuse what they cannot judge. Here only
what the log proves counts: an amount above a limit, in the limit's own currency, that people have
not approved. A limit with `over` is of a sum, as rules are.

A workflow is told of once for each of its limits, until an hour of its time has passed without
another such action, or until somebody lets it run again.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from andon.amounts import millionths
from andon.limit import Limit
from andon.rule import Rate, Rule
from detectors.columns import Columns
from detectors.detections import Detection
from detectors.flags import AUTOMATION, REVERSES, SUCCESS
from detectors.kernel.loop import COUNTED
from detectors.plan import MICRO, Compiled
from detectors.profiles import WATCHED
from detectors.state import LONG_AGO
from detectors.wire import WireEvent

QUIET_US = 3600 * MICRO
_DONE = SUCCESS | AUTOMATION


class _Ceiling(NamedTuple):
    """A limit of a policy, and the rule as which it is told."""

    policy: int
    limit: Limit
    rule: Rule
    at_least: float  # nothing below exceeds it, as the batch has amounts

    @property
    def key(self) -> str:
        return f"{self.policy} {self.rule.name}"


class Breach(NamedTuple):
    """An action above a limit."""

    at: int  # the index of the event in its batch
    workflow: str
    ts_us: int
    ceiling: _Ceiling


class Limits:
    """The limits of a book, held against the events of one partition."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._ceilings = [
            _Ceiling(place, limit, _rule(limit, number), _at_least(limit))
            for place, policy in enumerate(compiled.book.policies)
            for number, limit in enumerate(policy.limits)
            if limit.over is None
        ]
        self._ahead: deque[Breach] = deque()
        self._quiet_until: dict[str, dict[str, int]] = {}

    def begin(self, columns: Columns) -> None:
        """Look for breaches in a batch that is about to be judged."""
        found = [each for ceiling in self._ceilings for each in _breaches(columns, ceiling)]
        self._ahead = deque(sorted(found, key=lambda breach: breach.at))  # stable

    def stop(self, start: int, stop: int) -> int:
        """The index after the first event from `start` on that may have to be told; or `stop`."""
        for breach in self._ahead:
            if breach.at >= stop:
                break
            if breach.at >= start and self._to_be_told(breach):
                return breach.at + 1
        return stop

    def settle(self, columns: Columns, fates: NDArray[np.int8], stop: int) -> list[Detection]:
        """What is to be told of the events before `stop`, now that their fates are known."""
        told = []
        while self._ahead and self._ahead[0].at < stop:
            breach = self._ahead.popleft()
            if fates[breach.at] == COUNTED:
                if self._to_be_told(breach):
                    told.append(_detection(self._compiled, breach, columns))
                quiet = self._quiet_until.setdefault(breach.workflow, {})
                until, key = breach.ts_us + QUIET_US, breach.ceiling.key
                quiet[key] = max(until, quiet.get(key, until))
        return told

    def forgive(self, workflow: str, until_us: int) -> None:
        """Let only later events of the workflow count: it was let go."""
        if self._ceilings:
            keys = (ceiling.key for ceiling in self._ceilings)
            self._quiet_until[workflow] = dict.fromkeys(keys, until_us)

    def dump(self) -> dict[str, dict[str, int]]:
        """All of it, ready for JSON."""
        return self._quiet_until

    def load(self, dumped: dict[str, dict[str, int]]) -> None:
        """Stand as told by `dump`."""
        self._quiet_until = dumped

    def _to_be_told(self, breach: Breach) -> bool:
        quiet = self._quiet_until.get(breach.workflow, {})
        return breach.ts_us > quiet.get(breach.ceiling.key, LONG_AGO)


def _rule(limit: Limit, number: int) -> Rule:
    counted = {"rate": Rate.VALUE, "currency": limit.currency}
    if limit.field == "recipients":
        counted = {"rate": Rate.VOLUME, "of": "recipients"}
    # One action has no window: the shortest stands for none.
    own = {"name": f"limits[{number}]", "over": "1s", "above": getattr(limit, limit.field)}
    return Rule.model_validate(own | counted | {"where": limit.where})


def _at_least(limit: Limit) -> float:
    unit = MICRO if limit.field == "recipients" else 1
    return limit.most / unit * (1 - 1e-9)  # floats may have been rounded down


def _breaches(columns: Columns, ceiling: _Ceiling) -> Iterator[Breach]:
    batch, limit = columns.batch, ceiling.limit
    mine = (columns.policy == ceiling.policy) & (columns.kind == WATCHED)
    mine &= (batch["flags"] & (_DONE | REVERSES)) == _DONE
    mine &= batch[limit.field] >= ceiling.at_least
    for at in map(int, np.flatnonzero(mine)):
        event = columns.events[at]
        if _exceeds(event, limit) and not _lifted(
            limit, columns.records.values[columns.record[at]]
        ):
            yield Breach(at, event.workflow, int(batch["time"][at]), ceiling)


def _exceeds(event: WireEvent, limit: Limit) -> bool:
    if limit.field == "value" and (event.currency or "").upper() != limit.unit:
        return False
    return millionths(getattr(event, limit.field)) > limit.most and limit.where.passes(event)


def _lifted(limit: Limit, record: bytes | None) -> bool:
    """Whether the limit asks people, and the decision trace names their approval."""
    if limit.then == "deny":
        return False
    try:
        told: Any = json.loads(record or b"")
        event = told["data"] if "specversion" in told else told
        return bool(event["decision"]["decided"]["approval"]["request"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _detection(compiled: Compiled, breach: Breach, columns: Columns) -> Detection:
    event, ceiling = columns.events[breach.at], breach.ceiling
    money = {} if event.value is None else {str(event.currency).upper(): event.value}
    return Detection(
        at=breach.at,
        ts_us=breach.ts_us,
        ts=event.ts,
        event_id=event.event_id,
        workflow=event.workflow,
        policy=compiled.book.policies[ceiling.policy],
        rule=ceiling.rule,
        group=None,
        observed=float(getattr(event, ceiling.limit.field)),
        bound=ceiling.rule.bound,
        usual=None,
        events=1,
        window_s=0,
        event_ids=(event.event_id,),
        money=money,
    )
