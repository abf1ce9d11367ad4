"""What came of a run: the object for programs, and the table for people."""

from __future__ import annotations

from typing import Any

from andon.commands import Command
from andon.events import format_ts
from demo.story import Story


class Result:
    """A run in which the agent was paused and a guard obeyed.

    `reaction_ms` is real time: from the event that crossed the bound to the guard's ack.
    """

    def __init__(self, story: Story, trip: Command, reaction_ms: int) -> None:
        self.story = story
        self.reaction_ms = reaction_ms
        self._trip = trip
        self._without_usd = sum(refund.amount_usd for refund in story.scenario.night)
        self._after_trip_usd = sum(paid.usd for paid in story.after_trip)

    def report(self) -> dict[str, Any]:
        """JSON: the night without Andon and with it. docs/demo.md tells each field."""
        story = self.story
        return {
            "seed": story.scenario.seed,
            "night_from": format_ts(story.night_from),
            "night_to": format_ts(story.night_to),
            "without": {
                "value_usd": round(self._without_usd, 2),
                "actions": len(story.scenario.night),
            },
            "with": {
                "value_usd": round(story.night.paid_usd, 2),
                "actions": story.night.paid,
                "denied": story.night.refused,
                "paused_at": format_ts(self._trip.issued_at),
                "actions_after_trip": len(story.after_trip),
                "value_after_trip_usd": round(self._after_trip_usd, 2),
                "acks": len(story.acks),
                "reaction_ms": self.reaction_ms,
                "alerts_delivered": len(story.alerts),
                "trip": self._trip.reason.model_dump(mode="json"),
            },
        }

    def rows(self) -> list[tuple[str, str, str]]:
        """What is told, without Andon, and with it."""
        story, night = self.story, self.story.night
        after_trip = f"{len(story.after_trip)}, {_usd(self._after_trip_usd)}"
        return [
            ("Paid out in the night", _usd(self._without_usd), _usd(night.paid_usd)),
            ("Refunds paid", f"{len(story.scenario.night):,}", f"{night.paid:,}"),
            ("Refunds refused", "-", f"{night.refused:,}"),
            ("Paused at", "never", f"{self._trip.issued_at:%a %H:%M:%S} UTC"),
            ("Refunds paid after the pause", "-", after_trip),
            ("Guards that obey", "-", f"{len(story.acks)}"),
            ("Alerts delivered", "-", f"{len(story.alerts)}"),
        ]

    def verdict(self) -> tuple[str, str]:
        """The night in a sentence, and in another what it owes to time being fast."""
        minutes = (self._trip.issued_at - self.story.night_from).total_seconds() / 60
        kept = self._without_usd - self.story.night.paid_usd
        obeyed_at = min(ack.applied_at for ack in self.story.acks.values())
        waited_s = (obeyed_at - self._trip.issued_at).total_seconds()
        return (
            f"Andon paused the agent {minutes:.0f} minutes into the night: {_usd(kept)} of "
            f"{_usd(self._without_usd)} stayed where they belong ({kept / self._without_usd:.0%}).",
            f"The guard obeyed {self.reaction_ms} ms after the broker had the event that crossed "
            f"the bound, which is {waited_s:.0f} s of so fast a night after the refund itself.",
        )


def _usd(amount: float) -> str:
    return f"${amount:,.0f}"
