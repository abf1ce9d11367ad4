"""What people see of the demo, with a terminal and without, of one story told to both."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import NamedTuple

import pytest
from rich.console import Console

from andon.commands import Ack
from andon.events import By, Event, Outcome
from andon.policy_file import load_policies
from backtest.replay import replay
from backtest.scenarios.refund_night import refund_night
from demo.lines import Lines
from demo.report import Result
from demo.run import POLICY
from demo.screen import Screen, frame
from demo.story import Story
from demo.watch import Standing

START = datetime(2026, 11, 19, 22, tzinfo=UTC)
RULES = {
    "too-many-reversals": Standing("reversal", 0.012, 0.05),
    "money-per-hour": Standing("value", 3876.5, 5000),
    "same-refund-again": Standing("duplicate", 3, 3),
}


class Told(NamedTuple):
    """A whole story, and what its log would have the monitor write."""

    story: Story
    result: Result


@pytest.fixture(scope="module")
def told() -> Told:
    """The whole night; what was asked for after the pause was refused."""
    scenario = refund_night(12)
    story = Story(scenario, START)
    log = list(scenario.events(START))
    taken = next(replay(load_policies(POLICY), [event.to_json() for event in log], latch=True))
    (trip,), (alert,) = taken.effects.commands, taken.effects.alerts
    refused: set[str] = set()
    for event in log:
        told = event
        if event.by is By.AUTOMATION and event.ts > trip.issued_at:
            refused.add(event.event_id)
            told = Event.model_validate(dict(event) | {"outcome": Outcome.DENIED})
        if event.reverses not in refused:
            story.take_event(told)
            story.take_event(told)  # delivered twice
        if event.ts == trip.issued_at:
            story.take_command(trip)
            story.take_ack(
                Ack(
                    workflow=trip.workflow,
                    generation=trip.generation,
                    guard="g",
                    automation="refund-agent",
                    applied_at=trip.issued_at,
                )
            )
            story.take_alert(alert)
    return Told(story, Result(story, trip, 20))


def test_numbers_agree(told: Told) -> None:
    report = told.result.report()
    without, with_ = report["without"], report["with"]
    assert with_["actions"] + with_["denied"] == without["actions"]
    assert with_["value_usd"] < 0.2 * without["value_usd"]
    assert with_["actions_after_trip"] == 0
    assert told.story.night_without_usd == pytest.approx(without["value_usd"])
    assert told.story.most_repeated == 3
    assert sum(hour.paid for hour in told.story.hours.values()) == told.story.whole.paid


def test_the_live_view_fits_a_small_terminal(told: Told) -> None:
    console = Console(width=80, file=io.StringIO(), record=True, force_terminal=True)
    console.print(frame(told.story, RULES, 1.0))
    text = console.export_text()
    assert len(text.splitlines()) <= 24
    for shown in ("PAUSED by same-refund-again", "$3,876.50 of $5,000", "1.2% of 5%", "█"):
        assert shown in text


def test_the_live_view_can_be_drawn_before_anything_happened() -> None:
    story = Story(refund_night(1), START)
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(frame(story, {}, 1.0))
    story.say("Broker ready")
    console.print(frame(story, {}, 1.0))
    assert "Broker ready" in console.export_text()


def test_both_views_end_with_the_alert_the_table_and_the_verdict(told: Told) -> None:
    out = io.StringIO()
    lines = Lines(out)
    lines.show(told.story, RULES)
    lines.end(told.result)
    console = Console(width=100, file=io.StringIO(), record=True, force_terminal=True)
    screen = Screen(console, 1.0)
    screen.show(told.story, RULES)
    screen.end(told.result)
    screen.close()
    report = told.result.report()
    for text in (out.getvalue(), console.export_text()):
        assert told.story.trip is not None
        for shown in (
            "Healthy day 3 of 3",
            "andon reset refunds",
            told.story.trip.reason.event_ids[0],
            f"${report['without']['value_usd']:,.0f}",
            f"${report['with']['value_usd']:,.0f}",
            "Andon paused the agent 37 minutes into the night",
            "backtest",
        ):
            assert shown in text, shown
    assert all(char.isprintable() or char == "\n" for char in out.getvalue())
