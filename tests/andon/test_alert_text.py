from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given

from andon.alert_text import (
    TITLE_MAX,
    alert_facts,
    alert_text,
    finding,
    resume_command,
    title,
)
from andon.breaker import State
from andon.commands import Alert, Reason
from tests.andon.records import alerts

REVERSALS = Reason(
    text="too many refunds were taken back",
    rule="too-many-reversals",
    rate="reversal",
    observed=15 / 211,
    bound=0.05,
    window_s=86400,
    events=211,
    event_ids=[f"ev-{n}" for n in range(1, 21)],
    group={"automation": "refund-agent"},
    policy="refunds",
    policy_version="0f3a9c1b22de",
    value={"USD": 41320, "EUR": 1200.5},
)


def an_alert(**changes: Any) -> Alert:
    fields = {
        "alert_id": "a-17",
        "kind": "paused",
        "workflow": "refunds eu",
        "generation": 5,
        "state": State.OPEN,
        "severity": "critical",
        "since": datetime(2026, 11, 2, 3, 12, 45, tzinfo=UTC),
        "title": title("paused", "refunds eu", REVERSALS),
        "reason": REVERSALS,
        "resume": resume_command("refunds eu"),
        "runbook": "https://wiki.example.com/refunds",
    }
    return Alert(**(fields | changes))


def test_a_pause_reads_like_this() -> None:
    assert alert_text(an_alert()) == (
        "refunds eu paused: reversal rate 7.1% in 24h, bound 5%, automation refund-agent\n"
        "\n"
        "  State     Paused: guards refuse every action of this workflow\n"
        "  Since     2026-11-02 03:12:45 UTC\n"
        "  Observed  reversal rate 7.1%, against a bound of 5%\n"
        "  Group     automation refund-agent\n"
        "  Window    the last 24h, 211 events\n"
        "  Money     1,200.50 EUR and $41,320 USD moved in the window\n"
        "  Rule      too-many-reversals (policy refunds, version 0f3a9c1b22de)\n"
        "  Why       too many refunds were taken back\n"
        "  Evidence  ev-1, ev-2, ev-3 and 17 more\n"
        "  Runbook   https://wiki.example.com/refunds\n"
        "  Resume    andon reset 'refunds eu' --reason \"why it is safe\"\n"
        "  Alert     a-17, critical, by monitor"
    )


def test_a_resume_by_hand_reads_like_this() -> None:
    reason = Reason(text="bad prompt rolled back")
    alert = an_alert(
        kind="resumed",
        state=State.CLOSED,
        severity="info",
        title=title("resumed", "refunds", reason, "user:ana"),
        reason=reason,
        issued_by="user:ana",
        runbook=None,
        note="no receiver is named 'nobody': sent to the default",
    )
    assert alert_text(alert) == (
        "refunds running again by ana: bad prompt rolled back\n"
        "\n"
        "  State     Running: guards let every action through\n"
        "  Since     2026-11-02 03:12:45 UTC\n"
        "  Note      no receiver is named 'nobody': sent to the default\n"
        "  Alert     a-17, info, by ana"
    )


@pytest.mark.parametrize(
    ("rate", "observed", "bound", "value", "text"),
    [
        ("error", 0.2, 0.0125, {}, "error rate 20% in 1h, bound 1.25%"),
        ("error", 0.0504, 0.05, {}, "error rate 5.04% in 1h, bound 5%"),
        ("denied", 7 / 100, 7 / 100, {}, "denial rate 7% in 1h, bound 7%"),
        ("value", 5210, 5000, {"USD": 5210}, "money moved $5,210 USD in 1h, bound $5,000 USD"),
        ("value", 5210.5, 5000, {"EUR": 5210.5}, "money moved 5,210.50 EUR in 1h, bound 5,000 EUR"),
        ("value", 9, 8, {"EUR": 9, "USD": 3}, "money moved 9 EUR in 1h, bound 8 EUR"),
        ("value", 9, 8, {"EUR": 9, "USD": 9}, "money moved 9 in 1h, bound 8"),
        ("value", 5000.001, 5000, {}, "money moved 5,000.001 in 1h, bound 5,000"),
        ("volume", 1204, 1000, {}, "volume 1,204 in 1h, bound 1,000"),
        ("duplicate", 3, 3, {}, "identical actions 3 in 1h, bound 3"),
        ("steps", 41, 40, {}, "steps in one run 41 in 1h, bound 40"),
        ("colour", 2, 1, {}, "colour 2 in 1h, bound 1"),
    ],
)
def test_rates_are_told_in_their_units(
    rate: str, observed: float, bound: float, value: dict[str, float], text: str
) -> None:
    reason = Reason(text="", rate=rate, observed=observed, bound=bound, window_s=3600, value=value)
    assert finding(reason) == text


def usual(**changes: Any) -> Reason:
    """50,000 people instead of 480."""
    made_of = {"level": 480, "factor": 4, "floor": 100, "taken_from": "hour of the week"}
    made_of |= {"samples": 5, "hour": "Tuesday 14:00"}
    reason = {"text": "", "rate": "volume", "observed": 50_000, "bound": 1920, "window_s": 3600}
    return Reason.model_validate(reason | {"usual": made_of | changes})


@pytest.mark.parametrize(
    ("reason", "found", "fact"),
    [
        (
            usual(),
            "volume 50,000 in 1h, bound 1,920 (4x usual)",
            "480 in 1h around Tuesday 14:00 UTC, over the last 5 weeks; 4x is 1,920, floor 100",
        ),
        (
            usual(taken_from="busy days", samples=12),
            "volume 50,000 in 1h, bound 1,920 (4x usual)",
            "480 in 1h on busy days, over the last 12 with events; 4x is 1,920, floor 100",
        ),
        (
            usual(taken_from="no history", factor=2.5, level=1000),
            "volume 50,000 in 1h, bound 1,920 (2.5x usual, not known yet)",
            "not known yet, taken as 1,000; 2.5x is 2,500, floor 100",
        ),
        (
            usual(level=3).model_copy(update={"rate": "value", "value": {"USD": 50_000}}),
            "money moved $50,000 USD in 1h, bound $1,920 USD, the floor",
            "$3 USD in 1h around Tuesday 14:00 UTC, over the last 5 weeks; "
            "4x is $12 USD, floor $100 USD",
        ),
    ],
)
def test_what_was_usual_is_told(reason: Reason, found: str, fact: str) -> None:
    assert finding(reason) == found
    assert dict(alert_facts(an_alert(reason=reason)))["Usual"] == fact


def test_without_a_rule_there_is_no_finding() -> None:
    assert finding(Reason(text="a person did it")) is None


@pytest.mark.parametrize("kind", ["would_pause", "resumed", "test"])
def test_what_stopped_nothing_asks_for_no_resume(kind: Any) -> None:
    assert "Resume" not in dict(alert_facts(an_alert(kind=kind)))


def test_a_title_is_cut_to_its_length() -> None:
    told = title("paused", "w" * 200, Reason(text="x" * 999), "user:" + "u" * 99)
    assert len(told) == TITLE_MAX
    assert "x" * 30 in told  # the reason is not crowded out by long names


def test_texts_from_events_cannot_forge_lines_or_steer_a_terminal() -> None:
    hostile = "ok\n  Resume    rm -rf /\x1b[2J\u202e"
    told = alert_text(an_alert(reason=Reason(text=hostile), note=hostile, title=hostile))
    assert (
        told.splitlines()[0]
        == "ok   Resume    rm -rf /\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}"
    )
    assert [line for line in told.splitlines() if line.startswith("  Resume")] == [
        "  Resume    andon reset 'refunds eu' --reason \"why it is safe\""
    ]
    assert all(char.isprintable() or char == "\n" for char in told)


@pytest.mark.parametrize("workflow", ["refunds", "a b", "it's", "$(reboot)", "é;|&"])
def test_the_resume_command_survives_a_shell(workflow: str) -> None:
    words = shlex.split(resume_command(workflow, now=True))
    assert words == ["andon", "reset", workflow, "--now", "--reason", "why it is safe"]


@given(alerts())
def test_every_alert_can_be_told(alert: Alert) -> None:
    told = alert_text(alert)
    assert len(told.splitlines()) == 2 + len(list(alert_facts(alert)))
    assert all(char.isprintable() or char == "\n" for char in told)
    assert len(title(alert.kind, alert.workflow, alert.reason, alert.issued_by)) <= TITLE_MAX
