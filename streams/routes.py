"""The receivers file, and which receivers and actuators an alert goes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from andon import yaml_lines
from andon.canary import NOBODY
from andon.commands import Alert
from andon.errors import ReceiversError
from streams.actuators.airflow import AirflowSettings
from streams.actuators.github import GithubSettings
from streams.actuators.prefect import PrefectSettings
from streams.actuators.webhook import HookSettings
from streams.levers import ActuatorSettings, Levers
from streams.receivers import Receiver
from streams.receivers.terminal import Terminal, TerminalSettings
from streams.receivers.webhook import WebhookSettings

KINDS = ("terminal", "webhook")
"""The kinds of receivers, each a field of `ReceiverSettings`."""


class ReceiverSettings(BaseModel):
    """One receiver: its name and the one kind that it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=100)]
    terminal: TerminalSettings | None = None
    webhook: WebhookSettings | None = None

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> ReceiverSettings:
        if len(self._kinds()) != 1:
            raise ValueError(f"name: needs exactly one kind beside it: {' or '.join(KINDS)}")
        return self

    def make(self) -> Receiver:
        return self._kinds()[0].make(self.name)

    def _kinds(self) -> list[TerminalSettings | WebhookSettings]:
        return [kind for name in KINDS if (kind := getattr(self, name)) is not None]


class ReceiversFile(BaseModel):
    """All receivers, and the names of those that hear what is addressed to nobody else; and the
    actuators, which are moved when a pause is not obeyed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    receivers: tuple[ReceiverSettings, ...]
    default: Annotated[tuple[str, ...], Field(min_length=1)]
    actuators: tuple[ActuatorSettings, ...] = ()

    @model_validator(mode="after")
    def _names_fit(self) -> ReceiversFile:
        names = [receiver.name for receiver in self.receivers]
        if not names:
            raise ValueError("receivers: must hold at least one receiver")
        both = names + [actuator.name for actuator in self.actuators]
        for field_, kinds in (("receivers", names), ("actuators", both)):
            for name in kinds:
                if kinds.count(name) > 1:
                    raise ValueError(f"{field_}: two are named {name!r}; give each its own name")
        for name in self.default:
            if name not in names:
                raise ValueError(f"default: knows no receiver {name!r}; use of {', '.join(names)}")
        return self


_FORMAT = yaml_lines.Format(
    ReceiversError,
    yaml_lines.field_names(
        ReceiversFile,
        ReceiverSettings,
        TerminalSettings,
        WebhookSettings,
        ActuatorSettings,
        HookSettings,
        AirflowSettings,
        PrefectSettings,
        GithubSettings,
    ),
    "`receivers:` and `default:`",
)


@dataclass(frozen=True)
class Routes:
    """The receivers by name, the default ones among them, and the levers."""

    receivers: Mapping[str, Receiver]
    default: tuple[str, ...]
    levers: Levers = field(default_factory=Levers)

    @property
    def all(self) -> dict[str, Receiver]:
        """Receivers and actuators by name."""
        return {**self.receivers, **self.levers.actuators}

    def find(self, alert: Alert) -> tuple[Alert, list[Receiver]]:
        """Who hears of it, and which levers it moves.

        A name that nobody has sends it to the default receivers too, with a note that says so: a
        misspelt name must not keep an alert from people.
        """
        if alert.receivers == [NOBODY]:
            return alert, []
        unknown = [name for name in alert.receivers if name not in self.receivers]
        names = [name for name in alert.receivers if name in self.receivers]
        if unknown or not names:
            names += self.default
        if unknown:
            note = f"no receiver is named {', '.join(map(repr, unknown))}: sent to the default"
            alert = alert.model_copy(update={"note": note})
        receivers = [self.receivers[name] for name in dict.fromkeys(names)]
        return alert, [*receivers, *self.levers.find(alert)]


def load_routes(path: str | Path | None) -> Routes:
    """Read and check a receivers file (YAML) and make its receivers.

    Without a file everything is shown on the terminal.

    Raises:
        ReceiversError: with every mistake found: file, line, field, and what to do about it.
    """
    if path is None:
        return Routes({"terminal": Terminal("terminal")}, ("terminal",))
    file = yaml_lines.load(path, ReceiversFile, _FORMAT)
    receivers = {entry.name: entry.make() for entry in file.receivers}
    levers = Levers([entry.make() for entry in file.actuators])
    return Routes(receivers, file.default, levers)
