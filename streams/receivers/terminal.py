"""Alerts as text on standard output: a coloured panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import asyncio
import sys
from typing import TextIO

from pydantic import BaseModel, ConfigDict
from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from andon.alert_text import alert_facts, alert_text, clean
from andon.commands import Alert, AlertKind
from streams.receivers import Delivered, Delivery, Failed

_COLOURS: dict[AlertKind, str] = {
    "paused": "red",
    "on_trial": "yellow",
    "resumed": "green",
    "shadowed": "yellow",
    "disabled": "yellow",
    "would_pause": "yellow",
    "not_obeyed": "red",
    "policy_refused": "red",
    "review_needed": "yellow",
    "held_back": "red",
    "canary_passed": "green",
    "canary_failed": "red",
    "canary_silent": "red",
    "canary_back": "green",
    "test": "cyan",
}


class TerminalSettings(BaseModel):
    """`terminal: {}`: there is nothing to set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def make(self, name: str) -> Terminal:
        return Terminal(name)


class Terminal:
    """Writes each alert to `out`, standard output by default."""

    at_once = 1

    def __init__(self, name: str, out: TextIO | None = None) -> None:
        self.name = name
        self._out = out or sys.stdout

    async def deliver(self, alert: Alert) -> Delivery:
        """A reader that stands still (a paused terminal, a full pipe) holds up nobody else."""
        try:
            await asyncio.to_thread(self._write, alert)
        except (OSError, ValueError) as error:  # ValueError: the stream was closed
            return Failed(f"cannot write to {getattr(self._out, 'name', 'the terminal')}: {error}")
        return Delivered()

    async def close(self) -> None:
        """Standard output is not ours to close."""

    def _write(self, alert: Alert) -> None:
        if self._out.isatty():
            Console(file=self._out).print(panel(alert))
        else:
            self._out.write(f"{alert_text(alert)}\n\n")
        self._out.flush()


def panel(alert: Alert) -> Panel:
    """The alert for a terminal that shows colours."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim")
    facts.add_column(overflow="fold")
    for label, fact in alert_facts(alert):
        facts.add_row(label, Text(fact, style="bold" if label == "Resume" else ""))
    title = Text(clean(alert.title), style=f"bold {_COLOURS[alert.kind]}")
    return Panel(facts, title=title, title_align="left", box=box.HEAVY, style=_COLOURS[alert.kind])
