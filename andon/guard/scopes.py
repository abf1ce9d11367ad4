"""The breakers of scopes that concern one guard: of everything, its automation, a target, a tenant.

They stand beside that of the workflow: an action runs only where every one of them lets it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from andon.breaker import Breaker
from andon.commands import Command
from andon.globs import matches
from andon.guard.fields import SHAPES
from andon.scope_names import EVERYTHING, Kind, scope_name, scope_of

if TYPE_CHECKING:
    from andon.guard.attempt import Attempt
    from andon.guard.gate import Gate, Refusal


class Scopes:
    """To be used under the lock of the workflow's gate alone.

    Args:
        automation: the guard's.
        tenant_label: the label of an event that names its tenant.
        make: makes the gate of a scope.
    """

    def __init__(self, automation: str, tenant_label: str, make: Callable[[str], Gate]) -> None:
        self._always = (EVERYTHING, scope_name(Kind.AUTOMATION, automation))
        self._tenant_label = tenant_label
        self._make = make
        self._gates: dict[str, Gate] = {}
        self._commands: dict[str, Command] = {}

    def concern(self, workflow: str) -> bool:
        """Whether this is a scope that actions of this guard may be in."""
        scope = scope_of(workflow)
        if scope is None:
            return False
        return workflow in self._always or scope.kind in (Kind.TARGET, Kind.TENANT)

    def obey(self, command: Command) -> bool:
        """As Gate.obey."""
        gate = self._gates.get(command.workflow) or self._make(command.workflow)
        obeyed = gate.obey(command)
        if obeyed:
            self._gates[command.workflow], self._commands[command.workflow] = gate, command
            gate.hears(True)  # losing the broker lifts no pause, and makes no new one
        return obeyed

    def forked(self) -> None:
        """In a forked child: another guard, which obeys the same."""
        commands, self._gates = list(self._commands.values()), {}
        for command in commands:
            self.obey(command)

    def of(self, workflow: str) -> Breaker:
        """The state obeyed in a scope, and its generation."""
        gate = self._gates.get(workflow)
        return gate.state if gate else Breaker()

    @property
    def barred(self) -> bool:
        """Whether some scope may refuse some action."""
        return any(gate.barred for gate in self._gates.values())

    def judge(self, attempt: Attempt | None, *, take: bool) -> Refusal | None:
        """As Gate.judge, of every scope that the attempt is in; without one, of those that all
        actions of this guard are in.
        """
        mine = [
            gate
            for workflow, gate in self._gates.items()
            if gate.barred and self._holds(self._commands[workflow], attempt)
        ]
        for gate in mine:
            if refusal := gate.judge(take=False):
                return refusal
        for gate in mine if take else ():
            gate.judge(take=True)
        return None

    def _holds(self, command: Command, attempt: Attempt | None) -> bool:
        """Whether an attempt is in the scope of a command."""
        scope = scope_of(command.workflow)
        if command.workflow in self._always or scope is None:
            return True
        if attempt is None:
            return False
        if scope.kind is Kind.TARGET:
            target = _told(attempt.target)
            if command.targets:
                return matches(command.targets, target)
            return target is not None and scope_name(Kind.TARGET, target) == command.workflow
        labels = attempt.labels if isinstance(attempt.labels, Mapping) else {}
        tenant = _told(labels.get(self._tenant_label))
        return tenant is not None and scope_name(Kind.TENANT, tenant) == command.workflow


def _told(value: Any) -> str | None:
    """The value as its event tells it."""
    with suppress(Exception):  # whatever it is, the application must not feel it
        return None if value is None else str(SHAPES["target"](value))
    return None
