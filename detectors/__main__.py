"""Compile the inner loop once, so that no first event has to wait for it: `python -m detectors`."""

from __future__ import annotations

from andon.policy_file import parse_policies
from detectors.columns import Records
from detectors.line import Line
from detectors.plan import compile_book

POLICY = """
version: 1
policies:
  - name: all
    rules:
      - {name: reversals, rate: reversal, over: 1h, above: 5%}
      - {name: repeats, rate: duplicate, over: 1h, at_least: 2, same: target}
"""

EVENT = b"""{
  "event_id": "1", "ts": "2026-01-01T00:00:00Z", "workflow": "w", "automation": "a",
  "capability": "update", "action": "a", "outcome": "success"
}"""
ODD = EVENT.replace(b"update", b"u\\u0070date")  # left to pydantic


def main() -> None:
    """Judge two events, which compiles and caches everything; what is no event compiles little."""
    Line(compile_book(parse_policies(POLICY))).take(Records([EVENT, ODD]))


if __name__ == "__main__":
    main()
