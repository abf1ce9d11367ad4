"""The demo without a terminal: a line for each thing that happens, and nothing but text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TextIO

from andon.alert_text import alert_text
from demo.report import Result
from demo.story import Story
from demo.watch import Standing
from demo.words import INTRO, NEXT, line, pair


class Lines:
    """Writes to `out`."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._told = 0
        self._print(*INTRO, "")

    def show(self, story: Story, rules: Mapping[str, Standing]) -> None:
        """What is new since the last time; at the end of a day or an hour, the rates too."""
        news = story.news[self._told :]
        self._told += len(news)
        self._print(*map(line, news))
        if rules and any(item.ts and item.tone in ("plain", "quiet") for item in news):
            rates = (f"{name} {' of '.join(pair(rule))}" for name, rule in rules.items())
            self._print(f"{'':11}{', '.join(rates)}")

    def end(self, result: Result) -> None:
        """The alert as it came, the table, and what to try next."""
        for alert in result.story.alerts.values():
            self._print("", "As the pager shows it:", "", alert_text(alert))
        rows = [("", "without Andon", "with Andon"), *result.rows()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        self._print("", *("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows))
        self._print("", *result.verdict(), "", "Next:")
        for command, what in NEXT:
            self._print(f"  {command}", f"      {what}")

    def close(self) -> None:
        """Nothing is held open."""

    def _print(self, *lines: str) -> None:
        for text in lines:
            print(text, file=self._out, flush=True)
