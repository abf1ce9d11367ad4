"""`andon demo` as a newcomer runs it: a process, with all its parts real."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from andon.policy_file import load_policies
from backtest.ledger import Ledger
from backtest.replay import replay
from demo.run import POLICY

# Generous: on a machine without a cache the monitor compiles for a minute first.
WAIT_S = 300.0
MARK = "DEMO_TEST"


class Demo:
    """One run of the command; all of its processes can be found by a mark that they inherit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.out = folder / "out.txt"
        self.errors = folder / "errors.txt"
        self._mark = f"{MARK}={uuid.uuid4()}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: object) -> None:
        name, _, mark = self._mark.partition("=")
        # What a user may have set for a real deployment must not matter here.
        env = {"ANDON_MODE": "shadow", "ANDON_REPLICATION": "3", "TMPDIR": str(self.temporary)}
        with self.out.open("wb") as out, self.errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from andon.cli import main; main()", "demo"]
                + [str(option) for option in options],
                stdout=out,
                stderr=errors,
                env={**os.environ, **env, name: mark},
            )

    def wait_for(self, true: Callable[[], object]) -> None:
        end = time.monotonic() + WAIT_S
        while not true():
            assert time.monotonic() < end, self.told()
            time.sleep(0.05)

    def wait(self) -> int:
        assert self._process is not None
        return self._process.wait(WAIT_S)

    def interrupt(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def told(self) -> str:
        return self.out.read_text() + self.errors.read_text()

    def processes(self) -> list[int]:
        """Those that are left (on systems with a /proc)."""
        return [
            int(file.parent.name) for file in Path("/proc").glob("[0-9]*/environ") if self._in(file)
        ]

    def end(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _in(self, file: Path) -> bool:
        try:
            return self._mark.encode() in file.read_bytes().split(b"\0")
        except OSError:
            return False


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    made = Demo(tmp_path)
    yield made
    made.end()


def test_pauses_the_agent_and_tells_what_came_of_it(demo: Demo) -> None:
    outcome_file, kept = demo.folder / "outcome.json", demo.folder / "kept"
    demo.start("--json", outcome_file, "--speed", 2, "--keep", kept)
    assert demo.wait() == 0, demo.told()
    assert demo.processes() == []

    outcome: dict[str, Any] = json.loads(outcome_file.read_text())
    without, with_ = outcome["without"], outcome["with"]
    assert without["value_usd"] == pytest.approx(47_000, rel=0.1)
    assert 0 < with_["value_usd"] < without["value_usd"] / 5
    assert with_["actions"] + with_["denied"] == without["actions"]
    assert with_["acks"] == with_["alerts_delivered"] == 1
    paused_at = datetime.fromisoformat(with_["paused_at"])
    assert datetime.fromisoformat(outcome["night_from"]) <= paused_at
    assert paused_at < datetime.fromisoformat(outcome["night_to"])
    (policy,) = load_policies(POLICY).policies
    assert with_["trip"]["rule"] in {rule.name for rule in policy.rules}
    assert with_["trip"]["policy"] == policy.name
    assert (with_["actions_after_trip"] > 0) == (with_["value_after_trip_usd"] > 0)
    assert with_["actions_after_trip"] < with_["actions"]
    assert 0 < with_["reaction_ms"] < WAIT_S * 1000

    # The agent's own account: what it paid and was refused over all days, whatever the log says.
    account = json.loads((kept / "agent.log").read_text().splitlines()[-1])
    counted = account["guard"]["andon_guard_actions_total"]
    assert counted == {"success": account["paid"], "error": 0, "denied": account["refused"]}
    assert account["refused"] == with_["denied"]
    assert account["guard"]["andon_guard_state"] == 1
    said = demo.out.read_text()
    days = re.findall(r"Healthy day \d of 3 is over: (\d+) refunds", said)
    assert sum(map(int, days)) + with_["actions"] == account["paid"]
    assert all(char.isprintable() or char == "\n" for char in said)
    for shown in ("PAUSED by", "guard obeys", "pager rings", "andon reset refunds"):
        assert shown in said
    assert demo.errors.read_text() == ""
    assert paused_at == paused_at_in_a_backtest(demo)


def paused_at_in_a_backtest(demo: Demo) -> datetime:
    """When the same policy would have paused that night, by the same code without a broker."""
    file = demo.folder / "night.jsonl"
    demo.start("--log", file)
    assert demo.wait() == 0, demo.told()
    ledger = Ledger()
    for taken in replay(load_policies(POLICY), file.read_bytes().splitlines(), latch=True):
        ledger.add(taken)
    (pause,) = ledger.pages["refunds"].pauses
    return pause.trip.issued_at


@pytest.mark.parametrize("part", ["monitor", "agent", "broker"])
def test_the_death_of_a_part_is_told_and_ends_the_demo(demo: Demo, part: str) -> None:
    kept = demo.folder / "kept"
    demo.start("--keep", kept, "--json", demo.folder / "outcome.json")
    demo.wait_for(lambda: "Healthy day 1" in demo.told() or demo.errors.stat().st_size)
    log = kept / part / "broker.log" if part == "broker" else kept / f"{part}.log"
    pid = re.search(r"^pid (\d+)$", log.read_text(), re.MULTILINE)
    assert pid, demo.told()
    os.kill(int(pid[1]), signal.SIGKILL)
    assert demo.wait() == 1
    assert f"andon demo: the {part} ended with status 137" in demo.errors.read_text()
    assert "Traceback" not in demo.errors.read_text()
    assert (demo.folder / "outcome.json").read_text() == ""
    assert demo.processes() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_nothing_behind(demo: Demo, number: signal.Signals) -> None:
    demo.start()
    demo.wait_for(lambda: "Healthy day 1" in demo.told() or demo.errors.stat().st_size)
    assert len(demo.processes()) > 3 or not Path("/proc").exists()
    demo.interrupt(number)
    assert demo.wait() == 130
    assert demo.errors.read_text() == "andon demo: stopped\n"
    assert demo.processes() == []
    assert list(demo.temporary.iterdir()) == []


def test_files_that_cannot_be_used_are_told_before_anything_starts(demo: Demo) -> None:
    nowhere = demo.folder / "nowhere" / "outcome.json"
    for options in (("--json", nowhere), ("--log", nowhere), ("--keep", demo.folder)):
        demo.start(*options)
        assert demo.wait() == 2
        assert str(options[1]) in demo.errors.read_text()
        assert "Broker" not in demo.told()
