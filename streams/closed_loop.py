"""The closed loop: a pause, the answers of guards, and what was executed all the same.

A state machine without clock and I/O: facts go in, `look(now)` says what has to be done. It may
be told a fact twice, and facts of different topics in any order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from andon.breaker import State
from andon.commands import Ack, Alert, Command, Heartbeat
from andon.permits import Permits, deal, period_of
from andon.scope_names import EVERYTHING, Kind, scope_name, scope_of
from detectors.effects import Leak
from streams.leaked import Leaked

LIVE = timedelta(seconds=15)
"""A guard that was silent for so long, three heartbeats, is taken for dead."""
FORGOTTEN = 10 * LIVE
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Fact(NamedTuple):
    """A record of the log, when the broker took it, and the partition it lies in."""

    record: Command | Ack | Heartbeat | Permits | Alert
    at: datetime
    partition: int


class Obeyed(NamedTuple):
    """All guards that lived at the pause obey it; the last one did after `seconds`."""

    command: Command
    at: datetime
    guards: int
    seconds: float


class NotObeyed(NamedTuple):
    """A pause that does not hold: actions go on past the grace time, or guards stay silent."""

    command: Command
    leaked: Leaked
    silent: tuple[str, ...]


class Guards(NamedTuple):
    """Of one workflow: how many live, and how many of them a pause still waits for."""

    live: int
    missing: int


class ClosedLoop:
    """All workflows of the log.

    Args:
        since: pauses that were obeyed before are not measured again.
    """

    def __init__(self, since: datetime) -> None:
        self._since = since
        self._workflows: defaultdict[str, _Workflow] = defaultdict(_Workflow)

    def take(self, fact: Fact) -> None:
        """Learn what stands in the log."""
        workflow = self._of(fact.record.workflow)
        match fact.record:
            case Command() as command:
                workflow.obey(command, fact)
            case Ack() as ack:
                workflow.hear_ack(ack, fact.at)
            case Heartbeat() as beat:
                workflow.hear_beat(beat, fact.at)
                for scope in (EVERYTHING, scope_name(Kind.AUTOMATION, beat.automation)):
                    # What it tells of is its workflow; a scope's command it answers by an ack.
                    apart = beat.model_copy(update={"generation": 0})
                    self._of(scope).hear_beat(apart, fact.at)
            case Permits() as permits:
                workflow.dealt = max(workflow.dealt, permits.place)
            case Alert(kind="not_obeyed") as alert:
                workflow.told = max(workflow.told, alert.generation)

    def _of(self, name: str) -> _Workflow:
        """What is known of a workflow, or of a scope: a target or a tenant may be any guard's."""
        scope = scope_of(name)
        if name not in self._workflows and scope and scope.kind in (Kind.TARGET, Kind.TENANT):
            self._workflows[name] = _Workflow(guards=self._of(EVERYTHING).guards)
        return self._workflows[name]

    def leak(self, leak: Leak) -> None:
        """Learn of an action that took effect although its workflow was paused."""
        workflow = self._of(leak.workflow)
        if workflow.leaked.generation < leak.generation:
            workflow.leaked = Leaked(leak.generation)
        if workflow.leaked.generation == leak.generation:
            workflow.leaked.add(leak)

    def look(
        self, now: datetime, mine: Collection[int], grace: Callable[[Command], timedelta]
    ) -> Iterator[Obeyed | NotObeyed]:
        """What has come about, each thing once.

        Args:
            now: the time, of the wall.
            mine: partitions whose workflows this worker answers for.
            grace: how long a pause may take to be obeyed, by its command.
        """
        for workflow in self._workflows.values():
            workflow.forget(now)
            if (command := workflow.pause()) is None:
                continue
            own = workflow.partition in mine
            obeyed = workflow.measure(command, now)
            if obeyed and own and obeyed.at >= self._since:
                yield obeyed
            if broken := workflow.accuse(command, now, grace(command), own=own):
                yield broken

    def deals(self, now: datetime, mine: Collection[int]) -> Iterator[Permits]:
        """What is to be dealt out on trial now, once a period. `now` and `mine` as for `look`.

        Where no guard lives a period's permits wait for the first that does.
        """
        for name, workflow in self._workflows.items():
            if workflow.partition in mine and scope_of(name) is None:
                yield from workflow.deal(now)

    def guards(self, now: datetime) -> dict[str, Guards]:
        """How many guards each workflow has, and each scope that is paused."""
        found = {}
        for name, workflow in self._workflows.items():
            live = sum(guard.lives(now) for guard in workflow.guards.values())
            command = workflow.pause()
            if scope_of(name) and command is None:
                continue  # its guards are those of workflows
            missing = len(workflow.missing(command, now)) if command else 0
            if live or missing:
                found[name] = Guards(live, missing)
        return found


@dataclass(slots=True)
class _Guard:
    automation: str
    first_at: datetime
    last_at: datetime
    generation: int = 0
    left: bool = False
    wants: int = 0

    def lives(self, now: datetime) -> bool:
        return not self.left and now - self.last_at <= LIVE


class _Ack(NamedTuple):
    generation: int
    at: datetime


@dataclass(slots=True)
class _Workflow:
    """`measured`: nothing is left to measure of this command; `told`: the generation of which
    people know that it is not obeyed."""

    command: Command | None = None
    at: datetime = _LONG_AGO
    partition: int = -1
    measured: bool = False
    told: int = 0
    guards: dict[str, _Guard] = field(default_factory=dict)
    acks: dict[str, _Ack] = field(default_factory=dict)
    leaked: Leaked = field(default_factory=lambda: Leaked(0))
    dealt: tuple[int, int] = (0, -1)

    def deal(self, now: datetime) -> Iterator[Permits]:
        command = self.command
        if command is None or command.state is not State.HALF_OPEN or command.permits is None:
            return
        place = command.generation, period_of(command, self.at, now)
        wants = {name: guard.wants for name, guard in self.guards.items() if guard.lives(now)}
        ended = command.expires_at is not None and command.expires_at <= now
        if wants and not ended and place > self.dealt:
            self.dealt, (generation, period) = place, place
            yield Permits(
                workflow=command.workflow,
                generation=generation,
                period=period,
                grants=deal(command.permits, wants),
                at=now,
            )

    def obey(self, command: Command, fact: Fact) -> None:
        if self.command is None or command.generation > self.command.generation:
            self.command, self.at, self.partition = command, fact.at, fact.partition
            self.measured = False

    def hear_ack(self, ack: Ack, at: datetime) -> None:
        known = self.acks.get(ack.guard)
        if known is None or ack.generation > known.generation:
            self.acks[ack.guard] = _Ack(ack.generation, at)

    def hear_beat(self, beat: Heartbeat, at: datetime) -> None:
        guard = self.guards.setdefault(beat.guard, _Guard(beat.automation, at, at))
        if at >= guard.last_at:
            guard.last_at, guard.left, guard.wants = at, beat.leaving, beat.wants
        guard.generation = max(guard.generation, beat.generation)

    def pause(self) -> Command | None:
        """The command, where it is one to stop."""
        command = self.command
        return command if command is not None and command.state.refuses else None

    def measure(self, command: Command, now: datetime) -> Obeyed | None:
        """When the last answer is there, once."""
        if self.measured or self.missing(command, now):
            return None
        answers = [
            ack.at
            for name, ack in self.acks.items()
            if ack.generation == command.generation and self._lived(name)
        ]
        if not answers:
            return None
        self.measured = True
        last = max(answers)
        seconds = max(0.0, (last - self.at).total_seconds())
        return Obeyed(command, last, len(answers), seconds)

    def missing(self, command: Command, now: datetime) -> list[str]:
        """Guards that lived at the pause, live still, and have not answered it."""
        return [
            name
            for name, guard in self.guards.items()
            if self._lived(name) and guard.lives(now) and not self._obeys(name, command)
        ]

    def accuse(
        self, command: Command, now: datetime, grace: timedelta, *, own: bool
    ) -> NotObeyed | None:
        """When the grace time is over and the pause does not hold, once.

        Leaks are seen by the worker that reads the events, silent guards are told by the own one.
        """
        if self.told >= command.generation:
            return None
        leaked = self.leaked if self.leaked.generation == command.generation else Leaked(0)
        goes_on = leaked.newest is not None and leaked.newest > self.at + grace
        silent = self._silent(command, now, grace)
        if not goes_on and not (own and silent):
            return None
        self.told = command.generation
        return NotObeyed(command, deepcopy(leaked), silent)  # more may come

    def forget(self, now: datetime) -> None:
        """Dead guards, and answers to what was commanded before."""
        generation = self.command.generation if self.command else 0
        for name in [name for name, g in self.guards.items() if now - g.last_at > FORGOTTEN]:
            del self.guards[name]
        for name in [name for name, ack in self.acks.items() if ack.generation < generation]:
            del self.acks[name]

    def _silent(self, command: Command, now: datetime, grace: timedelta) -> tuple[str, ...]:
        """Guards that have shown since the grace time that they live, and not that they obey."""
        return tuple(
            f"{name} ({guard.automation})"
            for name, guard in sorted(self.guards.items())
            if guard.last_at > self.at + grace
            and guard.lives(now)
            and not self._obeys(name, command)
        )

    def _lived(self, name: str) -> bool:
        """Whether the guard was there when the command was written."""
        guard = self.guards.get(name)
        return guard is not None and guard.first_at <= self.at <= guard.last_at + LIVE

    def _obeys(self, name: str, command: Command) -> bool:
        acked = self.acks[name].generation if name in self.acks else 0
        return max(acked, self.guards[name].generation) >= command.generation
