"""An outage trips thousands of workflows at once, and they all come back at once."""

from __future__ import annotations

import json

from andon.policy import PolicyBook
from tests.detectors.test_properties import written
from tests.engine import engine_effects
from tests.eventlog import line

RULE = {"name": "errors", "rate": "error", "over": "1h", "above": "50%"}
BOOK = PolicyBook.model_validate(
    {
        "version": 1,
        "auto_pause": {"share": "100%"},
        "policies": [{"name": "all", "rules": [RULE], "recover": {"after": "10m"}}],
    }
)


def outage(workflows: int) -> list[bytes]:
    """One event of each workflow when it begins, one while it lasts, one after it."""
    return [
        line(f"{at}-{n}", at + n / 1e6, workflow=f"w-{n}", outcome=outcome)
        for at, outcome in ((0, "error"), (300, "success"), (700, "success"))
        for n in range(workflows)
    ]


def test_trips_and_trials_in_one_batch_are_those_of_any_other() -> None:
    log = outage(60)
    whole = written(engine_effects(BOOK, log, (), "leaks"))
    assert whole == written(engine_effects(BOOK, log, range(7, len(log), 7), "leaks"))
    states = [json.loads(command)["state"] for command in whole[1]]
    assert states == ["OPEN"] * 60 + ["HALF_OPEN"] * 60
