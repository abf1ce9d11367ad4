"""People are told once that the canary fails or is silent, and once that it is back."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from andon.breaker import State
from andon.commands import Alert, AlertKind, Reason
from streams.deadman import Deadman
from tests.eventlog import START


def a_round(kind: AlertKind, at_s: float, text: str = "every leg works") -> Alert:
    now = START + timedelta(seconds=at_s)
    return Alert(
        alert_id=f"{kind}-{at_s}",
        kind=kind,
        workflow="andon-canary",
        generation=1,
        state=State.CLOSED,
        severity="info",
        since=now,
        title="",
        reason=Reason(text=text),
        resume="",
        next_by=now + timedelta(seconds=900),
    )


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_one_that_goes_round_is_not_talked_of() -> None:
    deadman = Deadman()
    assert list(deadman.look(at(0))) == []  # never seen: nobody runs one
    deadman.take(a_round("canary_passed", 0))
    assert list(deadman.look(at(900))) == []


def test_a_silent_one_is_told_once_and_its_return_once() -> None:
    deadman = Deadman()
    deadman.take(a_round("canary_passed", 0))
    (silent,) = deadman.look(at(901))
    assert (silent.kind, silent.severity, silent.receivers) == ("canary_silent", "critical", [])
    assert "no round since 2026-01-31 08:00:00 UTC" in silent.title
    deadman.take(silent)  # as it is read from the topic
    assert list(deadman.look(at(5000))) == []
    deadman.take(a_round("canary_passed", 5001))
    (back,) = deadman.look(at(5002))
    assert (back.kind, back.severity) == ("canary_back", "info")
    assert list(deadman.look(at(5003))) == []


def test_the_leg_that_failed_is_named() -> None:
    deadman = Deadman()
    deadman.take(a_round("canary_failed", 0, "command failed (detection 0.04 s)"))
    (silent,) = deadman.look(at(1))
    assert silent.title == (
        "Pausing may not work: andon-canary fails: command failed (detection 0.04 s)"
    )
    deadman.take(a_round("canary_failed", 300, "guard failed"))
    assert list(deadman.look(at(301))) == []


@pytest.mark.parametrize("told", [True, False])
def test_another_dispatcher_knows_from_the_topic_what_was_told(told: bool) -> None:
    first, second = Deadman(), Deadman()
    records = [a_round("canary_failed", 0, "alert failed")]
    first.take(records[0])
    records += list(first.look(at(1))) if told else []
    for record in records:
        second.take(record)
    assert len(list(second.look(at(2)))) == (not told)
