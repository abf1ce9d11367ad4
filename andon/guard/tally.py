"""What one guard counts, under the names of `andon.metrics`, and the log lines that go with it."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from typing import Literal, get_args

log = logging.getLogger("andon")
log.addHandler(logging.NullHandler())

LOG_EVERY_S = 60.0

Fault = Literal[
    "extractor",
    "classifier",
    "field",
    "command",
    "signature",
    "connection",
    "ledger",
    "approval",
    "policy",
]
ACTIONS = "andon_guard_actions_total"
EVENTS = "andon_guard_events_total"
FAULTS = "andon_guard_faults_total"
CHECKS = "andon_guard_checks_total"
STALE = "andon_guard_stale_total"
BACKLOG = "andon_guard_backlog_total"
LABELS: dict[str, tuple[str, ...]] = {
    ACTIONS: ("success", "error", "denied"),
    EVENTS: ("queued", "sent", "dropped", "failed"),
    FAULTS: get_args(Fault),
    CHECKS: (
        *("passed", "approved", "review", "sandbox", "deny"),
        *("would_review", "would_sandbox", "would_deny"),
    ),
    STALE: ("ran", "refused"),
    BACKLOG: ("held", "released", "dropped", "no_room"),
}
"""Counter to the values of its label. All start at 0, so that a dashboard sees them rise."""


class Tally:
    """Counters for many threads, and warnings of which each is logged once a minute at most."""

    def __init__(self, workflow: str) -> None:
        self._workflow = workflow
        self.reset()

    def reset(self) -> None:
        """Start at zero, as a forked child does: its parent goes on counting for itself."""
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[str]] = {
            family: Counter(dict.fromkeys(labels, 0)) for family, labels in LABELS.items()
        }
        self._logged: dict[tuple[str, str], tuple[float, int]] = {}

    def add(self, family: str, label: str, n: int = 1) -> None:
        with self._lock:
            self._counts[family][label] += n

    def fault(self, kind: Fault, where: str, problem: object) -> None:
        """Something went wrong that the application must not feel. `where` is of few values."""
        self.add(FAULTS, kind)
        self.warn(kind, where, problem)

    def warn(self, kind: str, where: str, problem: object) -> None:
        """Log; again for the same `kind` and `where` only after a minute, with how often since."""
        now = time.monotonic()
        with self._lock:
            logged_at, held_back = self._logged.get((kind, where), (-LOG_EVERY_S, 0))
            due = now - logged_at >= LOG_EVERY_S
            self._logged[kind, where] = (now, 0) if due else (logged_at, held_back + 1)
        if due:
            again = f" ({held_back} more since the last line)" if held_back else ""
            log.warning(
                "workflow %r: %s %s: %s%s", self._workflow, kind, where, told(problem), again
            )

    def snapshot(self) -> dict[str, dict[str, int]]:
        """Counter to label to number."""
        with self._lock:
            return {family: dict(counts) for family, counts in self._counts.items()}


def told(problem: object) -> str:
    """The words of a problem, even of an exception that fails to tell its own."""
    try:
        words = str(problem)
    except Exception:
        words = "(it cannot be shown)"
    return f"{type(problem).__name__}: {words}" if isinstance(problem, BaseException) else words
