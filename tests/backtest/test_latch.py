"""`--latch`: what a log would have been had every trip taken effect."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from andon.policy import PolicyBook
from backtest.ledger import Ledger
from backtest.replay import replay
from tests.detectors.logs import Log, books, logs
from tests.eventlog import book, line
from tests.latched import Latched
from tests.reference import parsed

USD = {"currency": "USD"}
VALUE = {"name": "money", "rate": "value", "over": "60s", "at_least": 100, **USD}


def simulate(policies: PolicyBook, log: Log) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Events with a detection, and each workflow's account."""
    ledger, edges = Ledger(), []
    for taken in replay(policies, log, latch=True, batch_size=7):
        ledger.add(taken)
        edges += [found.event_id for found in taken.effects.detections]
    pages = {page.pop("workflow"): page for page in ledger.workflows()}
    for page in pages.values():
        page["trips"] = [(trip["ts"], trip["rule"]) for trip in page["trips"]]
    return edges, pages


def spend(name: str, at: float, value: float = 60, **fields: Any) -> bytes:
    return line(name, at, value=value, **USD, **fields)


def test_a_trip_stops_the_workflow_for_good_where_only_people_resume_it() -> None:
    log = [spend("a", 0), spend("b", 1), spend("c", 2), spend("d", 9999)]
    log.append(spend("e", 9999, workflow="other"))
    edges, pages = simulate(book(VALUE), log)
    assert edges == ["b"]
    assert pages["refunds"] == {
        "state": "OPEN",
        "detections": 1,
        "trips": [("2026-01-31T08:00:01.000Z", "money")],
        "executed": {"actions": 2, "value": {"USD": 120.0}},
        "blocked": {"actions": 2, "value": {"USD": 120.0}},
    }
    assert pages["other"]["state"] == "CLOSED"


def test_after_its_time_the_workflow_is_tried_and_passes() -> None:
    recover = {"after": "10m", "trial": {"permits": 2, "pass": 2}}
    late = [spend(name, at, 1) for name, at in (("b", 599.999), ("c", 600), ("d", 601), ("e", 602))]
    log = [spend("a", 0, 100), *late]
    edges, pages = simulate(book(VALUE, recover=recover), log)
    assert edges == ["a"]
    page = pages["refunds"]
    assert page["state"] == "CLOSED"
    assert (page["executed"]["actions"], page["blocked"]["actions"]) == (4, 1)


def test_a_detection_on_trial_opens_it_again_for_the_same_time() -> None:
    log = [spend("a", 0, 100), spend("b", 60), spend("c", 90), spend("d", 149), spend("e", 150)]
    edges, pages = simulate(book(VALUE, recover={"after": "60s"}), log)
    assert edges == ["a", "c"]
    assert pages["refunds"]["state"] == "HALF_OPEN"
    assert pages["refunds"]["blocked"]["actions"] == 1


def test_what_is_not_live_passes_no_trial_also_where_no_policy_watches_it() -> None:
    recover = {"after": "10m", "trial": {"permits": 2, "pass": 2}}
    policies = book(VALUE, recover=recover, match={"capability": "transact"})
    modes = ["live", "sandbox", "shadow", "live", "live"]
    tries = [line(f"try-{n}", 600 + n, capability="send", mode=m) for n, m in enumerate(modes)]
    states = [
        simulate(policies, [spend("a", 0, 100), *tries[:end]])[1]["refunds"]["state"]
        for end in range(1, 6)
    ]
    assert states == ["HALF_OPEN", "HALF_OPEN", "HALF_OPEN", "HALF_OPEN", "CLOSED"]


def test_only_mode_enforce_stops() -> None:
    log = [spend("a", 0, 100), spend("b", 1)]
    edges, pages = simulate(book(VALUE, mode="shadow"), log)
    assert edges == ["a"]
    assert (pages["refunds"]["state"], pages["refunds"]["executed"]["actions"]) == ("CLOSED", 2)


@settings(max_examples=200, deadline=None)
@given(books(), logs())
def test_a_latched_backtest_is_what_the_reference_lives_through(
    policies: PolicyBook, log: Log
) -> None:
    reference = Latched(policies)
    expected = [edge["event_id"] for event in parsed(log) for edge in reference.feed(event)]
    edges, pages = simulate(policies, log)
    assert edges == expected
    lives = reference.report()
    for workflow, page in pages.items():
        life = lives[workflow]
        for kind in ("executed", "blocked"):
            assert page.pop(kind)["value"] == pytest.approx(life[kind].pop("value"))
            life.pop(kind)
        assert page == life
