"""What the monitor says at its start of policies that ask for more than they get."""

from __future__ import annotations

import pytest

from andon.policy_file import parse_policies
from streams.cautions import cautions
from streams.settings import Settings

PLAIN = """
version: 1
policies:
  - name: refunds
    rules: [{name: errors, rate: error, over: 84h, above: 5%}]
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PLAIN, []),
        (
            PLAIN.replace("84h", "85h"),
            ["window of 85h from twice as much log, which is kept for 7d"],
        ),
    ],
)
def test_says_what_a_policy_will_not_get(text: str, said: list[str]) -> None:
    lines = list(cautions(parse_policies(text), Settings(events_retention_days=7)))
    assert len(lines) == len(said)
    for line, part in zip(lines, said, strict=True):
        assert line.startswith("policy refunds: ")
        assert part in line
