"""The examples for other languages, run against the real server."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from andon.events import Outcome
from tests.andon.streaming import events
from tests.api.serving import Api
from tests.api.test_breakers import trip
from tests.npm_packages import node_modules

EXAMPLES = Path(__file__).parents[2] / "examples"
Run = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture(params=["curl", "typescript"])
def example(request: pytest.FixtureRequest, api: Api, tmp_path: Path) -> Run:
    command = _curl() if request.param == "curl" else _compiled(tmp_path)

    def run(workflow: str) -> subprocess.CompletedProcess[str]:
        told = {"ANDON_URL": api.url, "ANDON_TOKEN": api.token, "ANDON_WORKFLOW": workflow}
        return subprocess.run(
            command, env=os.environ | told, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def test_it_acts_where_it_may(example: Run, broker: str, unique: Callable[[str], str]) -> None:
    workflow = unique("refunds")
    done = example(workflow)
    assert done.returncode == 0, done.stdout + done.stderr
    (told,) = events(broker, workflow)
    assert (told.outcome, told.value, told.action) == (Outcome.SUCCESS, 42.5, "refund.create")


def test_it_does_not_where_it_may_not(example: Run, api: Api, unique: Callable[[str], str]) -> None:
    workflow = unique("refunds")
    trip(api, workflow)
    done = example(workflow)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.startswith("refused: ")
    assert "wrong customers" in done.stdout


def _curl() -> list[str]:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    return ["sh", str(EXAMPLES / "curl.sh")]


def _compiled(folder: Path) -> list[str]:
    """Strictly checked and translated, for a node that knows no types."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    (folder / "package.json").write_text('{"type": "module"}')
    options = ["--strict", "--target", "es2022", "--module", "es2022", "--lib", "es2022,dom"]
    source = str(EXAMPLES / "typescript" / "guard.ts")
    done = subprocess.run(
        [
            *("node", str(node_modules() / "typescript" / "bin" / "tsc"), source),
            *(*options, "--outDir", str(folder)),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return ["node", str(folder / "guard.js")]
