"""The document holds what the server does: Schemathesis calls it as the document allows, and as it
forbids."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from api.app import ROUTES
from tests.api.serving import Api

SCHEMATHESIS = str(Path(sys.executable).with_name("schemathesis"))
ROOT = Path(__file__).parents[2]
HOOKS = "tests.api.schemathesis_hooks"
EXAMPLES = 4


def test_schemathesis_finds_nothing(api: Api, tmp_path: Path) -> None:
    """But for one check: what a schema allows may be refused, as a time far ahead, a cursor that
    no page has told, and a generation that no longer stands are."""
    command = [
        *(SCHEMATHESIS, "run", f"{api.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {api.token}"),
        *("--phases", "examples,coverage,fuzzing"),
        *("--max-examples", str(EXAMPLES), "--seed", "1", "--generation-deterministic"),
        *("--exclude-checks", "positive_data_acceptance"),
        *("--request-timeout", "30", "--no-color"),
    ]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"SCHEMATHESIS_HOOKS": HOOKS, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]


def test_every_operation_has_a_name_and_words(api: Api) -> None:
    paths = api.client.get("/openapi.json").json()["paths"]
    operations = [operation for methods in paths.values() for operation in methods.values()]
    assert len(operations) == sum(len(room.router.routes) for room in ROUTES)
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(operation["description"] and operation["tags"] for operation in operations)
