"""Reference and engine, both held to cases that were worked out by hand from the contract."""

from __future__ import annotations

from typing import Any

from tests.engine import agreed_edges
from tests.eventlog import book, book_of, line

EUR, USD = {"currency": "EUR"}, {"currency": "USD"}
HUMAN = {"by": "human"}


def seen(rule: dict[str, Any], *lines: bytes) -> list[tuple[str, float, int]]:
    """Event, observed and events of every rising edge."""
    return [
        (edge["event_id"], edge["observed"], edge["events"])
        for edge in agreed_edges(book(rule), lines)
    ]


def test_an_edge_tells_what_the_contract_lists() -> None:
    rule = {"name": "money", "rate": "value", "over": "1h", "at_least": 5000, "currency": "USD"}
    [edge] = agreed_edges(book(rule | {"per": "target"}), [line("a", 0.25, value=5000, **USD)])
    assert edge == {
        "ts": "2026-01-31T08:00:00.250Z",
        "event_id": "a",
        "workflow": "refunds",
        "policy": "only",
        "rule": "money",
        "rate": "value",
        "group": {"target": None},
        "observed": 5000.0,
        "bound": 5000.0,
        "events": 1,
        "window_s": 3600,
        "mode": "enforce",
    }


def test_the_window_is_open_at_its_old_end_and_closed_at_its_new_end() -> None:
    rule = {"rate": "volume", "over": "60s", "at_least": 2}
    assert seen(rule, line("a", 0), line("b", 60)) == []
    assert seen(rule, line("a", 0), line("b", 59.999999)) == [("b", 2, 2)]
    assert seen(rule, line("a", 0), line("b", 0)) == [("b", 2, 2)]


def test_an_edge_rises_once_until_the_rule_was_not_crossed() -> None:
    rule = {"rate": "volume", "over": "60s", "at_least": 2}
    times = [0, 10, 20, 100, 110]
    log = [line(str(at), at) for at in times]
    assert [event for event, *_ in seen(rule, *log)] == ["10", "110"]


def test_above_is_strict_and_at_least_is_not() -> None:
    log = [line("a", 0), line("b", 1, outcome="error")]
    rule = {"rate": "error", "over": "60s"}
    assert seen(rule | {"above": "50%"}, *log) == []
    assert seen(rule | {"at_least": "50%"}, *log) == [("b", 0.5, 2)]


def test_error_leaves_out_denials_and_people() -> None:
    rule = {"rate": "error", "over": "60s", "above": "40%", "min": 2}
    log = [
        line("a", 0, outcome="error"),
        line("denied", 1, outcome="denied"),
        line("person", 2, outcome="error", by="human"),
        line("b", 3),
    ]
    assert seen(rule, *log) == [("b", 0.5, 2)]
    assert seen(rule | {"where": {"by": ["human"]}, "min": 1}, *log) == [("person", 1.0, 1)]


def test_a_rule_is_evaluated_only_at_events_that_it_counts() -> None:
    rule = {"rate": "error", "over": "60s", "above": "50%"}
    # At `denied` the window would hold the error alone; nothing is evaluated there.
    log = [
        line("good", 0),
        line("bad", 30, outcome="error"),
        line("denied", 70, outcome="denied"),
        line("good-again", 80),
    ]
    assert seen(rule, *log) == []


def test_denied_is_a_share_of_all_attempts() -> None:
    rule = {"rate": "denied", "over": "60s", "at_least": "33%"}
    log = [
        line("a", 0),
        line("b", 1, outcome="error"),
        line("c", 2, outcome="denied"),
    ]
    assert seen(rule, *log) == [("c", 1 / 3, 3)]


def test_arrival_holds_reversals_of_the_window_against_actions_of_the_window() -> None:
    rule = {"rate": "reversal", "attribute": "arrival", "over": "60s", "above": "50%"}
    log = [
        line("long-ago", 0),
        line("a", 100),
        line("undo", 110, reverses="long-ago", **HUMAN),
    ]
    assert seen(rule, *log) == [("undo", 1.0, 1)]
    # A denominator of 0 is below `min`, whatever was reversed.
    assert seen(rule, line("undo", 0, reverses="unknown")) == []


def test_cohort_asks_what_became_of_the_actions_of_the_window() -> None:
    rule = {"rate": "reversal", "over": "60s", "at_least": "50%", "min": 2}
    log = [
        line("a", 0),
        line("b", 10),
        line("undo-b", 65, reverses="b", **HUMAN),
        line("c", 66),
    ]
    # At 65 s `a` has left, so that one action is too few; at 66 s there are b and c.
    assert seen(rule, *log) == [("c", 0.5, 2)]
    assert seen(rule | {"min": 1}, *log) == [("undo-b", 1.0, 1)]


def test_cohort_takes_reversals_that_came_first_and_none_that_failed() -> None:
    rule = {"rate": "reversal", "over": "60s", "at_least": "50%"}
    assert seen(rule, line("undo", 0, reverses="a"), line("a", 1)) == [("a", 1.0, 1)]
    assert seen(rule, line("a", 0), line("undo", 1, reverses="a", outcome="error")) == []


def test_a_reversal_waits_for_its_action_for_twice_the_longest_window() -> None:
    rule = {"rate": "reversal", "over": "60s", "at_least": 0.1}
    undo = line("undo", 0, reverses="a")
    assert seen(rule, undo, line("a", 119.999)) == [("a", 1.0, 1)]
    assert seen(rule, undo, line("a", 120)) == []


def test_a_reversal_outside_where_counts_for_an_action_inside() -> None:
    rule = {"rate": "reversal", "over": "60s", "at_least": "50%", "where": {"action": "refund*"}}
    log = [line("a", 0), line("undo", 1, reverses="a", action="charge.create", **HUMAN)]
    assert seen(rule, *log) == [("undo", 1.0, 1)]


def test_a_reversal_moves_the_group_of_its_action() -> None:
    rule = {"rate": "reversal", "over": "60s", "at_least": "50%", "per": "target"}
    log = [line("a", 0, target="ch_1"), line("undo", 1, reverses="a", target="desk")]
    # Not a group of its own: `desk` has done nothing.
    [edge] = agreed_edges(book(rule), log)
    assert (edge["event_id"], edge["observed"], edge["group"]) == ("undo", 1.0, {"target": "ch_1"})


def test_weighed_by_value_in_one_currency() -> None:
    rule = {"rate": "reversal", "over": "1h", "weigh": "value", **USD, "above": "5%"}
    log = [
        line("a", 0, value=95, **USD),
        line("euro", 1, value=900, **EUR),
        line("b", 2, value=5, **USD),
        line("undo-b", 3, value=5, reverses="b", **USD),
        line("c", 4, value=0.1, **USD),
        line("undo-c", 5, value=0.1, reverses="c", **USD),
    ]
    assert seen(rule, *log) == [("undo-c", 0.051 / 1.001, 3)]
    assert seen(rule | {"attribute": "arrival"}, *log) == [("undo-c", 0.051 / 1.001, 3)]


def test_volume_counts_successes_or_recipients_or_the_outcome_asked_for() -> None:
    rule = {"rate": "volume", "over": "60s", "at_least": 2}
    log = [
        line("a", 0, recipients=3),
        line("b", 1, outcome="denied"),
        line("c", 2),
        line("d", 3, outcome="denied"),
    ]
    assert seen(rule, *log) == [("c", 2, 2)]
    assert seen(rule | {"of": "recipients"}, *log) == [("a", 3, 1)]
    assert seen(rule | {"where": {"outcome": "denied"}}, *log) == [("d", 2, 2)]


def test_value_adds_decimals_exactly() -> None:
    rule = {"rate": "value", "over": "60s", **USD}
    log = [line(str(at), at, value=0.1, **USD) for at in range(10)]
    assert seen(rule | {"at_least": 1, "currency": "usd"}, *log) == [("9", 1.0, 10)]
    assert seen(rule | {"above": 0.3}, *log)[0][0] == "3"


def test_duplicate_agrees_on_every_field_and_null_with_null() -> None:
    rule = {"rate": "duplicate", "over": "60s", "at_least": 2, "same": ["target", "value"]}
    log = [
        line("a", 0, target="x", value=5, **USD),
        line("b", 1, target="y", value=5, **USD),
        line("c", 2, target="x", value=5.0, **USD),
        line("d", 3),
        line("e", 4, **HUMAN),
        line("f", 5),
    ]
    assert seen(rule, *log) == [("c", 2, 2), ("f", 2, 2)]


def test_steps_are_those_of_the_own_run() -> None:
    rule = {"rate": "steps", "over": "60s", "at_least": 2}
    log = [
        line("a", 0, run="1"),
        line("b", 1, run="2"),
        line("c", 2),
        line("d", 3),
        line("e", 4, run="1", outcome="denied"),
    ]
    [edge] = agreed_edges(book(rule), log)
    assert (edge["event_id"], edge["group"]) == ("e", {"run": "1"})


def test_an_event_id_counts_once_within_the_longest_window() -> None:
    rule = {"rate": "volume", "over": "60s", "at_least": 2}
    assert seen(rule, line("a", 0), line("a", 59)) == []
    longer = {"rate": "volume", "over": "10m", "at_least": 9}
    log = [line("a", 0), line("a", 599), line("b", 599), line("a", 600), line("c", 601)]
    edges = agreed_edges(book(rule, longer), log)
    assert [edge["event_id"] for edge in edges] == ["a"]  # the copy of 600 s, beside b


def test_late_events_are_in_no_rate_and_others_count_at_their_own_time() -> None:
    rule = {"rate": "volume", "over": "60s", "at_least": 2}
    log = [line("newest", 100), line("a", 40), line("late", 39.999), line("b", 41)]
    assert seen(rule, *log) == [("b", 2, 2)]
    assert seen(rule, line("newest", 100), line("late-1", 39), line("late-2", 39.5)) == []


def test_only_live_events_count() -> None:
    rule = {"rate": "volume", "over": "60s", "at_least": 1}
    assert seen(rule, line("a", 0, mode="shadow"), line("b", 0, mode="sandbox")) == []


def test_the_first_policy_that_matches_is_the_events_own() -> None:
    rule = {"rate": "volume", "over": "60s", "at_least": 2}
    policies: list[dict[str, Any]] = [
        {"name": "off", "mode": "off", "match": {"workflow": "off*"}},
        {"name": "sends", "match": {"capability": "send"}},
        {"name": "rest", "mode": "shadow"},
    ]
    both = book_of(*({**policy, "rules": [{"name": "n", **rule}]} for policy in policies))
    log = [
        line("a", 0, capability="send"),
        line("b", 1),
        line("c", 2, workflow="offices"),
        line("d", 3, workflow="offices"),
        line("e", 4, workflow="other"),
        line("f", 5),
    ]
    [edge] = agreed_edges(both, log)
    assert (edge["event_id"], edge["policy"], edge["mode"]) == ("f", "rest", "shadow")


def test_where_takes_globs_and_exact_values() -> None:
    rule = {"rate": "volume", "over": "60s", "at_least": 1}
    log = [line("a", 0, action="pay"), line("b", 1, action="pay[draft]", target="ch_1")]
    for where in ({"action": "*draft?"}, {"action": "pay[draft]"}, {"target": ["x", "ch_*"]}):
        assert seen(rule | {"where": where}, *log) == [("b", 1, 1)]
