"""What repeats from event to event, learnt once: who acts under which policy, and what is done."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from andon.globs import Globs
from andon.policy import first_of
from andon.scope_names import scope_of
from detectors import flags
from detectors.kernel.hashing import insert, rehash
from detectors.plan import Compiled
from detectors.state import NONE, copied, empty_table
from detectors.windows import Windows
from detectors.wire import WireEvent

T = TypeVar("T", bound=Hashable)

PROFILES_MAX = 1 << 19
"""Profiles that are remembered; past it all are forgotten and learnt again."""

WATCHED, UNWATCHED, NOT_LIVE, RESERVED = 0, 1, 2, 3
"""Kinds of events. RESERVED: a workflow under the name of a scope, or the other way round."""

ACTOR = np.dtype(
    [
        ("key", np.uint64),
        ("policy", np.int32),
        ("stream", np.int32),
        ("workflow", np.int32),
        ("role", np.int32),  # policy, automation and capability
        ("kind", np.int8),
    ],
    align=True,
)
"""Workflow, automation, capability and mode."""

ACT = np.dtype([("key", np.uint64), ("flags", np.uint32), ("currency", np.uint16)], align=True)
"""Role, action, outcome, by and currency, and target where the policy looks at it."""


class Known(NamedTuple):
    """What was learnt, as the compiled reader looks it up."""

    actors: NDArray[np.void]
    actor_table: NDArray[np.void]
    acts: NDArray[np.void]
    act_table: NDArray[np.void]


class Profiles:
    """Learns from events. `known` holds what; `workflows` are the names' numbers in it."""

    def __init__(self, compiled: Compiled, windows: Windows, *, scoped: bool) -> None:
        self._compiled = compiled
        self._scoped = scoped
        self._places = {
            policy.name: place
            for place, policy in enumerate(compiled.book.policies)
            if policy.breaker.kind is not None
        }
        self._windows = windows
        self._know_currencies(list(compiled.currencies))
        self.forget()

    def forget(self) -> None:
        """Start anew; numbers given before mean nothing then."""
        empty = (np.zeros(0, ACTOR), empty_table(0), np.zeros(0, ACT), empty_table(0))
        self.known = Known(*empty)
        self.workflows: dict[str, int] = {}
        self._matching: dict[tuple[str, str], tuple[tuple[int, Globs], ...]] = {}
        self._roles: dict[tuple[int, str, str], int] = {}
        self._actors = self._acts = 0
        self.any_reserved = False

    def dump(self) -> tuple[dict[str, NDArray[np.void]], dict[str, Any]]:
        """A copy of what was learnt, and the names that its numbers stand for, ready for JSON."""
        arrays = {
            "actors": copied(self.known.actors[: self._actors]),
            "acts": copied(self.known.acts[: self._acts]),
        }
        names = {
            "currencies": self.currencies,
            "workflows": list(self.workflows),
            "roles": list(self._roles),
        }
        return arrays, names

    def load(self, arrays: Mapping[str, NDArray[Any]], names: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        self.forget()
        self._know_currencies(names["currencies"])
        self.workflows = _numbered(names["workflows"])
        self._roles = _numbered(map(tuple, names["roles"]))
        self._add_actors(arrays["actors"].view(ACTOR))
        self._add_acts(arrays["acts"].view(ACT))

    @property
    def full(self) -> bool:
        """Whether it is time to forget."""
        return max(self._actors, self._acts) > PROFILES_MAX

    def learn_actors(self, keys: NDArray[np.uint64], events: Sequence[WireEvent]) -> None:
        """Learn who acts in each event; the keys are different ones, and new."""
        kinds, policies = zip(*map(self._kind_and_policy, events), strict=True)
        places = [place for place, kind in enumerate(kinds) if kind == WATCHED]
        rows = np.zeros(len(events), ACTOR)
        rows["key"], rows["kind"], rows["policy"], rows["stream"] = keys, kinds, policies, NONE
        rows["stream"][places] = self._windows.streams(
            [(events[place].workflow, policies[place]) for place in places]
        )
        rows["workflow"] = [
            self.workflows.setdefault(event.workflow, len(self.workflows)) for event in events
        ]
        rows["role"] = [
            self._roles.setdefault((policy, event.automation, event.capability), len(self._roles))
            for policy, event in zip(policies, events, strict=True)
        ]
        self._add_actors(rows)

    def learn_acts(
        self, keys: NDArray[np.uint64], policies: NDArray[np.int32], events: Sequence[WireEvent]
    ) -> None:
        """Learn what is done in each event, under the policy of who does it; the keys are new."""
        rows = np.zeros(len(events), ACT)
        rows["key"] = keys
        rows["flags"] = list(map(self._bits, events, policies.tolist()))
        rows["currency"] = list(map(self._currency, events))
        self._add_acts(rows)

    def _add_actors(self, rows: NDArray[np.void]) -> None:
        actors, table = _with(self.known.actors, self.known.actor_table, self._actors, rows)
        self.known = self.known._replace(actors=actors, actor_table=table)
        self._actors += len(rows)
        self.any_reserved |= bool(np.any(rows["kind"] == RESERVED))

    def _add_acts(self, rows: NDArray[np.void]) -> None:
        acts, table = _with(self.known.acts, self.known.act_table, self._acts, rows)
        self.known = self.known._replace(acts=acts, act_table=table)
        self._acts += len(rows)

    def _kind_and_policy(self, event: WireEvent) -> tuple[int, int]:
        forwarded = scope_of(event.workflow) is not None
        if forwarded is not self._scoped or (forwarded and event.andon_policy is None):
            return RESERVED, NONE
        policy = self._policy(event)
        if policy is None or self._compiled.book.policies[policy].mode == "off":
            return (UNWATCHED if event.mode == "live" else NOT_LIVE), NONE
        return (WATCHED if event.mode == "live" else NOT_LIVE), policy

    def _policy(self, event: WireEvent) -> int | None:
        if self._scoped:
            return self._places.get(event.andon_policy or "")
        who = (event.automation, event.capability)
        if who not in self._matching:
            self._matching[who] = self._compiled.book.matching(*who)
        return first_of(self._matching[who], event.workflow)

    def _bits(self, event: WireEvent, policy: int) -> int:
        bits = flags.BITS[event.outcome] | flags.BITS[event.by]
        if policy == NONE:
            return bits
        plan = self._compiled.policies[policy]
        for bit, where in plan.wheres:
            bits |= bit if where.passes(event) else 0
        for bit, currencies in plan.currencies:
            bits |= bit if (event.currency or "").upper() in currencies else 0
        return bits

    def _currency(self, event: WireEvent) -> int:
        if event.currency is None:
            return 0
        code = event.currency.upper()
        if code not in self._currencies:
            self._currencies[code] = len(self.currencies)
            self.currencies.append(code)
        return self._currencies[code]

    def _know_currencies(self, codes: list[str]) -> None:
        self.currencies = codes
        self._currencies = {code: number for number, code in enumerate(codes) if number}


def _numbered(names: Iterable[T]) -> dict[T, int]:
    return {name: number for number, name in enumerate(names)}


def _with(
    rows: NDArray[np.void], table: NDArray[np.void], used: int, more: NDArray[np.void]
) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """The rows and their hash table with more of them; both grow by doubling."""
    end = used + len(more)
    if end > rows.size:
        size = max(256, 2 * rows.size, end)
        old, table = table, empty_table(size)
        rows = np.concatenate([rows[:used], np.zeros(size - used, rows.dtype)])
        rehash(old, table)
    rows[used:end] = more
    insert(table, rows, used, end)
    return rows, table
