"""What policies would have paused in a log, when, and what that would have saved.

The life of each breaker is simulated as if every policy were enforced, those in shadow too.
"""

from __future__ import annotations

from typing import Any

from andon.alert_text import finding
from andon.events import format_ts
from andon.policy import PolicyBook
from backtest.accounts import total
from backtest.ledger import Ledger, Page, Pause
from backtest.readings import Readings
from backtest.replay import enforced
from detectors.columns import Records
from detectors.line import Line, Taken
from detectors.plan import compile_book

Json = dict[str, Any]


class Simulation:
    """A log under policies that are enforced."""

    def __init__(
        self,
        book: PolicyBook,
        *,
        resume_after_s: int | None = None,
        readings: Readings | None = None,
    ) -> None:
        """Before the log begins.

        Args:
            book: the policies.
            resume_after_s: how long a person takes to let a workflow run again, where only a
                person may; None: nobody ever does.
            readings: takes the same records, to be drawn beside the pauses.
        """
        self.book = book
        self.resume_after_s = resume_after_s
        self.ledger = Ledger()
        self._enforced = Line(compile_book(enforced(book, resume_after_s)), "blocked")
        self._readings = readings

    def take(self, records: Records) -> Taken:
        """Live through the next records of the log."""
        taken = self._enforced.take(records)
        self.ledger.add(taken)
        if self._readings is not None:
            self._readings.take(records)
        return taken

    def report(self) -> Json:
        """All of it as one object; money by currency, times in seconds."""
        ledger = self.ledger
        pages = [page for _, page in sorted(ledger.pages.items())]
        pauses = [(page, pause) for page in pages for pause in page.pauses]
        pauses.sort(key=lambda one: one[1].trip.issued_at)
        return {
            "from": ledger.first and format_ts(ledger.first),
            "to": ledger.last and format_ts(ledger.last),
            "resume_after_s": self.resume_after_s,
            "events": dict(sorted(ledger.fates.items())),
            "pauses": [self._pause(page, pause) for page, pause in pauses],
            "workflows": [self._workflow(page) for page in pages if page.pauses],
            "total": {
                "workflows": len(pages),
                "workflows_paused": sum(bool(page.pauses) for page in pages),
                "pauses": len(pauses),
                "paused_s": round(sum(self._paused_s(pause) for _, pause in pauses), 3),
                "executed": total(map(ledger.executed, pages)).report(),
                "saved": total(ledger.blocked(pause) for _, pause in pauses).report(),
            },
        }

    def _pause(self, page: Page, pause: Pause) -> Json:
        reason = pause.trip.reason
        [policy] = [one for one in self.book.policies if one.name == reason.policy]
        return {
            "workflow": page.workflow,
            "policy": policy.name,
            "mode": policy.mode,
            "rule": reason.rule,
            "rate": reason.rate,
            "group": reason.group,
            "observed": reason.observed,
            "bound": reason.bound,
            "events": reason.events,
            "window_s": reason.window_s,
            "reason": finding(reason),
            "event_id": reason.event_ids[0],
            "tripped": format_ts(pause.trip.issued_at),
            "resumed": pause.resumed and format_ts(pause.resumed),
            "paused_s": round(self._paused_s(pause), 3),
            "saved": self.ledger.blocked(pause).report(),
        }

    def _workflow(self, page: Page) -> Json:
        return {
            "workflow": page.workflow,
            "state": page.state.value,
            "pauses": len(page.pauses),
            "paused_s": round(sum(map(self._paused_s, page.pauses)), 3),
            "executed": self.ledger.executed(page).report(),
            "saved": total(map(self.ledger.blocked, page.pauses)).report(),
        }

    def _paused_s(self, pause: Pause) -> float:
        """To the end of the log where it was not resumed before."""
        until = pause.resumed or self.ledger.last
        assert until is not None
        return max(0.0, (until - pause.trip.issued_at).total_seconds())
