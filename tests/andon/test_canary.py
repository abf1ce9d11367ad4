from __future__ import annotations

import pytest

from andon.canary import NOBODY, PROBE, TRIP, canary_policy, with_canary
from andon.policy import Policy
from tests.eventlog import book_of

BOOK = book_of({"name": "all"}, auto_pause={"share": "5%"})


def test_the_canary_is_watched_first_and_changes_no_version() -> None:
    both = with_canary(BOOK, "andon-canary")
    assert both.fingerprint == BOOK.fingerprint
    assert both.auto_pause == BOOK.auto_pause
    assert both.find("andon-canary", "andon-canary", "update") == 0
    assert both.find("refunds", "bot", "transact") == 1
    assert both.policies[0].alert.receivers == (NOBODY,)


def test_without_a_name_there_is_none() -> None:
    assert with_canary(BOOK, "") is BOOK


@pytest.mark.parametrize(("name", "own"), [("andon:canary", True), ("andon-canary", False)])
def test_built_in_policies_are_known_by_their_name(name: str, own: bool) -> None:
    assert Policy(name=name).built_in is own


def test_only_what_is_meant_to_trips_it() -> None:
    (rule,) = canary_policy("andon-canary").rules
    assert rule.where.action == (TRIP,)
    assert PROBE not in rule.where.action
