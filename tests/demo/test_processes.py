"""The demo's processes: their last words are told, and none is left, however things end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from demo.processes import Child, DemoError

WAIT_S = 30.0


def eventually(true: Callable[[], object]) -> None:
    end = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def child(tmp_path: Path, program: str, *, lasting: bool = True) -> Child:
    return Child("baker", ["-c", program], tmp_path / "baker.log", lasting=lasting)


def pid_of(child: Child) -> int:
    eventually(lambda: child.log.read_text().startswith("pid "))
    return int(child.log.read_text().split()[1])


def test_tells_how_it_ended_and_its_last_words(tmp_path: Path) -> None:
    with child(tmp_path, "print('no flour'); raise SystemExit(3)") as baker:
        eventually(lambda: baker.status is not None)
        with pytest.raises(DemoError, match=r"(?s)baker ended with status 3.*no flour"):
            baker.check()


@pytest.mark.parametrize(("lasting", "fails"), [(True, True), (False, False)])
def test_a_good_end_is_a_failure_only_of_what_should_last(
    tmp_path: Path, lasting: bool, fails: bool
) -> None:
    with child(tmp_path, "pass", lasting=lasting) as baker:
        baker.check()
        eventually(lambda: baker.status == 0)
        if fails:
            with pytest.raises(DemoError, match="it said nothing"):
                baker.check()
        else:
            baker.check()


def test_ends_with_its_context(tmp_path: Path) -> None:
    with child(tmp_path, "import time; time.sleep(600)") as baker:
        pid = pid_of(baker)
        assert runs(pid)
    assert not runs(pid)


def test_ends_even_if_it_will_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo.processes.STOP_TIMEOUT_S", 0.2)
    program = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('deaf', flush=True); time.sleep(600)"
    )
    with child(tmp_path, program) as baker:
        pid = pid_of(baker)
        eventually(lambda: "deaf" in baker.text)
    eventually(lambda: not runs(pid))


def test_ends_even_if_its_leash_was_killed(tmp_path: Path) -> None:
    with child(tmp_path, "import time; time.sleep(600)") as baker:
        pid = pid_of(baker)
        os.kill(os.getpgid(pid), signal.SIGKILL)  # the leash leads the group
        eventually(lambda: baker.status is not None)
        assert runs(pid)
    eventually(lambda: not runs(pid))
