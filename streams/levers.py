"""Which actuators an alert concerns: a lever that was pulled for a workflow is let go once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from andon.commands import Alert, AlertKind
from andon.globs import Globs, matches
from streams.actuators import Actuator, Lever, pulls
from streams.actuators.airflow import AirflowSettings
from streams.actuators.github import GithubSettings
from streams.actuators.prefect import PrefectSettings
from streams.actuators.webhook import HookSettings

KINDS = ("webhook", "airflow", "prefect", "github")
"""The kinds of actuators, each a field of `ActuatorSettings`."""
ENDS_A_PAUSE: frozenset[AlertKind] = frozenset({"on_trial", "resumed", "shadowed", "disabled"})


class ActuatorSettings(BaseModel):
    """One actuator: its name, whose lever it is, and the one kind that it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=100)]
    workflows: Globs
    resume: bool = Field(False, description="let the lever go when the pause ends")
    webhook: HookSettings | None = None
    airflow: AirflowSettings | None = None
    prefect: PrefectSettings | None = None
    github: GithubSettings | None = None

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> ActuatorSettings:
        if len(self._kinds()) != 1:
            raise ValueError(f"name: needs exactly one kind beside it: {' or '.join(KINDS)}")
        return self

    def make(self) -> MappedActuator:
        return MappedActuator(Actuator(self.name, self._kinds()[0]), self.workflows, self.resume)

    def _kinds(self) -> list[Lever]:
        return [kind for name in KINDS if (kind := getattr(self, name)) is not None]


class MappedActuator(NamedTuple):
    """An actuator, the globs of its workflows, and whether it lets go when a pause ends."""

    actuator: Actuator
    workflows: tuple[str, ...]
    resume: bool


class Levers:
    """Asked for every alert of a workflow in the order of the log, also for those of the past.

    What nobody pulled is not let go: somebody else may have stopped it.
    """

    def __init__(self, mapped: Sequence[MappedActuator] = ()) -> None:
        self._mapped = mapped
        self._pulled: set[tuple[str, str]] = set()
        self.actuators: Mapping[str, Actuator] = {
            each.actuator.name: each.actuator for each in mapped
        }

    def find(self, alert: Alert) -> list[Actuator]:
        """Those that pull their lever for this alert, or let it go."""
        return [
            actuator
            for actuator, workflows, resume in self._mapped
            if matches(workflows, alert.workflow)
            if self._moves(alert, actuator.name) and (resume or pulls(alert))
        ]

    def _moves(self, alert: Alert, name: str) -> bool:
        lever = (name, alert.workflow)
        if pulls(alert):
            self._pulled.add(lever)
            return True
        was_pulled = lever in self._pulled and alert.kind in ENDS_A_PAUSE
        if was_pulled:
            self._pulled.remove(lever)
        return was_pulled
