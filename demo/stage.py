"""The demo as a command runs it: where it is shown, where its data lies, what is written."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from backtest.scenarios.refund_night import refund_night
from demo.lines import Lines
from demo.run import Performance, latest_start
from demo.screen import Screen
from demo.story import Story


def perform(seed: int, speed: float, json_file: Path | None, keep: Path | None) -> None:
    """Run the demo and show it on standard output.

    Args:
        seed: of the scenario.
        speed: a factor on the speed of simulated time.
        json_file: where the outcome is written.
        keep: a folder for the broker's data and the logs of all parts; else they are removed.

    Raises:
        DemoError: the agent was not paused, nobody was told, or a part died.
        OSError: a file cannot be written.
    """
    story = Story(refund_night(seed), latest_start(datetime.now(UTC)))
    if json_file:
        json_file.write_text("")  # better an error now than at the end, or an old outcome
    _leave_the_world()
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    with _folder(keep) as folder, closing(_view(speed)) as view:
        performance = Performance(
            story, folder, speed, lambda: view.show(story, performance.gauges.rules)
        )
        result = performance.run()
        view.end(result)
    if json_file:
        json_file.write_text(json.dumps(result.report(), indent=2) + "\n")


def write_log(file: Path, seed: int) -> None:
    """Write the events of a scenario that nothing stops, as JSON lines.

    Raises:
        OSError: the file cannot be written.
    """
    events = refund_night(seed).events(latest_start(datetime.now(UTC)))
    file.write_bytes(b"".join(event.to_json() + b"\n" for event in events))


def _leave_the_world() -> None:
    """Settings of a real deployment must not reach the demo, nor a proxy its local servers."""
    for name in [name for name in os.environ if name.startswith(("ANDON_", "KAFKA_"))]:
        del os.environ[name]
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1"


def _view(speed: float) -> Lines | Screen:
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        return Screen(Console(), speed)
    return Lines(sys.stdout)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        if any(keep.iterdir()):
            raise FileExistsError(f"{keep}: has something in it; name a new or an empty folder")
        yield keep
    else:
        with TemporaryDirectory(prefix="andon-demo-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
