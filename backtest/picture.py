"""The file that `andon report --plot` writes: which workflows it shows, and as what."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from andon.alert_text import clean
from andon.errors import AndonError
from andon.globs import matches
from andon.policy import PolicyBook
from backtest.readings import Readings
from detectors.plan import MICRO, compile_book

Json = dict[str, Any]
FORMATS = (".html", ".png")
WORKFLOWS_MAX = 12
"""In one page, which is to stay below some megabytes; a PNG shows one."""


class PictureError(AndonError):
    """A picture that cannot be drawn, or not be written."""


class Picture:
    """Gathers what is to be drawn while the log is read."""

    def __init__(self, path: Path, book: PolicyBook, workflows: str = "*") -> None:
        """`workflows` is a glob.

        Raises:
            PictureError: the path has no known ending or no folder, or matplotlib is missing.
        """
        if path.suffix not in FORMATS:
            raise PictureError(f"{path}: must end in {' or '.join(FORMATS)}")
        if not path.parent.is_dir():
            raise PictureError(f"{path}: there is no folder {path.parent}")
        if find_spec("matplotlib") is None:
            raise PictureError("a picture needs matplotlib, which the extra `plot` brings")
        self._path = path
        self.readings = Readings(
            compile_book(book), MICRO, wanted=lambda name: matches((workflows,), name)
        )

    def write(self, report: Json) -> str:
        """Write the file; says what is in it.

        Raises:
            PictureError: the file cannot be written.
        """
        measured = self._measured(report)
        shown = measured[: 1 if self._path.suffix == ".png" else WORKFLOWS_MAX]
        if not shown:
            return f"{self._path} is not written: no rule has measured anything"
        try:
            if self._path.suffix == ".png":
                self._write_png(report, shown[0])
            else:
                from backtest.page import page

                self._path.write_text(page(self.readings, report, shown), encoding="utf-8")
        except OSError as error:
            raise PictureError(f"{self._path}: cannot be written: {error}") from None
        rest = len(measured) - len(shown)
        more = f" and not {rest:,} more: choose with --workflow" if rest else ""
        return clean(f"{self._path} shows {', '.join(shown)}{more}")

    def _measured(self, report: Json) -> list[str]:
        """First what would have been paused, by what that would have saved; then the busiest."""
        readings = self.readings
        saved = {page["workflow"]: page["saved"]["actions"] for page in report["workflows"]}
        rows = readings.rows()
        counts = np.bincount(rows["workflow"], rows["count"], len(readings.workflows))
        busy = dict(zip(readings.workflows, counts.tolist(), strict=True))
        measured = [name for name, count in busy.items() if count]
        measured.sort(key=lambda name: (-saved.get(name, -1), -busy[name], name))
        return measured

    def _write_png(self, report: Json, workflow: str) -> None:
        from backtest.plot import draw, style

        with style(workflow):
            draw(self.readings, report, workflow).savefig(self._path, dpi=120)
