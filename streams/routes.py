"""The receivers file, and which receivers an alert goes to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from andon import yaml_lines
from andon.commands import Alert
from andon.errors import ReceiversError
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
    """All receivers, and the names of those that hear what is addressed to nobody else."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    receivers: tuple[ReceiverSettings, ...]
    default: Annotated[tuple[str, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_fit(self) -> ReceiversFile:
        names = [receiver.name for receiver in self.receivers]
        if not names:
            raise ValueError("receivers: must hold at least one receiver")
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"receivers: two are named {name!r}; give each its own name")
        for name in self.default:
            if name not in names:
                raise ValueError(f"default: knows no receiver {name!r}; use of {', '.join(names)}")
        return self


_FORMAT = yaml_lines.Format(
    ReceiversError,
    yaml_lines.field_names(ReceiversFile, ReceiverSettings, TerminalSettings, WebhookSettings),
    "`receivers:` and `default:`",
)


class Routes(NamedTuple):
    """The receivers by name, and the default ones among them."""

    receivers: Mapping[str, Receiver]
    default: tuple[str, ...]

    def find(self, alert: Alert) -> tuple[Alert, list[Receiver]]:
        """Who hears of it. A name that nobody has sends it to the default receivers too,
        with a note that says so: a misspelt name must not keep an alert from people."""
        unknown = [name for name in alert.receivers if name not in self.receivers]
        names = [name for name in alert.receivers if name in self.receivers]
        if unknown or not names:
            names += self.default
        if unknown:
            note = f"no receiver is named {', '.join(map(repr, unknown))}: sent to the default"
            alert = alert.model_copy(update={"note": note})
        return alert, [self.receivers[name] for name in dict.fromkeys(names)]


def load_routes(path: str | Path | None) -> Routes:
    """Read and check a receivers file (YAML) and make its receivers.

    Without a file everything is shown on the terminal.

    Raises:
        ReceiversError: with every mistake found: file, line, field, and what to do about it.
    """
    if path is None:
        return Routes({"terminal": Terminal("terminal")}, ("terminal",))
    file = yaml_lines.load(path, ReceiversFile, _FORMAT)
    return Routes({entry.name: entry.make() for entry in file.receivers}, file.default)
