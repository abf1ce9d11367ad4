from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from andon.events import parse_event
from andon.policy import (
    Backlog,
    Limit,
    Match,
    Policy,
    PolicyBook,
    Rate,
    Recover,
    Rule,
    Trial,
    Where,
)
from andon.policy_text import policy_text
from andon.quantities import (
    DURATION_MAX_S,
    Usual,
    format_bound,
    format_duration,
    parse_bound,
    parse_duration,
)
from tests.andon.documents import REFUND, raw
from tests.andon.policy_documents import books, policies, rules

VALUE = {"name": "r", "rate": "value", "over": "1h", "at_least": 5000, "currency": "USD"}
ERROR = {"name": "r", "rate": "error", "over": "1h", "above": "5%"}
PROOF = ERROR | {"method": "evidence", "false_trips": "1 in 1000000"}


@given(st.integers(1, DURATION_MAX_S))
@example(1_234_567)
@example(86_400)
@example(10_000_001)
def test_a_duration_survives_its_text(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (90, "90s"),
        (900, "15m"),
        (3600, "1h"),
        (86_400, "24h"),
        (604_800, "7d"),
        (90.0, "90s"),
        (0.5, "0.5s"),
        (0, "0s"),
    ],
)
def test_a_duration_is_written_as_people_write_it(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    "text", ["", "1", "h", "0s", "-1s", "1.5h", "1 h", "1H", "1w", "01s", 60, None, "3651d", "1h\n"]
)
def test_refuses_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("written", "bound"),
    [
        ("5%", 0.05),
        ("7%", 7 / 100),
        ("0.5 %", 0.005),
        ("100%", 1),
        (0.05, 0.05),
        (5000, 5000),
        (0, 0),
        ("4x usual", Usual(4)),
        ("2.5 x usual", Usual(2.5)),
    ],
)
def test_reads_a_bound(written: object, bound: float | Usual) -> None:
    assert parse_bound(written) == bound
    assert parse_bound(format_bound(parse_bound(written))) == bound


@given(events=st.integers(1, 1000), data=st.data())
def test_a_share_in_percent_is_the_float_that_counts_give(events: int, data: st.DataObject) -> None:
    percent = data.draw(st.integers(0, 100))
    crossing = percent * events
    assert parse_bound(f"{percent}%") == percent / 100 == crossing / (100 * events)


@pytest.mark.parametrize(
    "written",
    [
        *("5", "five%", "-5%", "%", "", "9" * 400 + "%"),
        *(-1, -0.01, 10**400, -(10**400), float("nan"), float("inf")),
        *(True, None, [], {}),
        *("1x usual", "0.5x usual", "4xusual", "4x", "x usual", "-4x usual", "1000001x usual"),
    ],
)
def test_refuses_what_is_no_bound(written: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_bound(written)


@given(rules(), st.floats(0, 2))
def test_a_rule_is_crossed_beyond_its_bound_only(document: dict[str, Any], observed: float) -> None:
    rule = Rule.model_validate(document)
    strict = "above" in document
    assert rule.crossed(observed) is (observed > rule.bound if strict else observed >= rule.bound)
    assert rule.crossed(rule.bound) is not strict


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"at_least": "5%"}, "above"),
        ({"above": None}, "above"),
        ({"above": 5}, "above"),
        ({"above": None, "at_least": 5}, "at_least"),
        ({"currency": "USD"}, "currency"),
        ({"same": ["target"]}, "same"),
        ({"of": "recipients"}, "of"),
        ({"attribute": "arrival"}, "attribute"),
        ({"rate": "reversal", "weigh": "value"}, "currency"),
        ({"rate": "value", "above": 1}, "currency"),
        ({"rate": "duplicate", "above": 1}, "same"),
        ({"rate": "volume", "above": 1, "min": 5}, "min"),
        ({"rate": "steps", "above": 1, "per": "run"}, "per"),
    ],
)
def test_a_rule_must_fit_its_rate(change: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError, match=rf"(?m)^(  Value error, )?{field}: "):
        Rule.model_validate(ERROR | change)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"false_trips": None}, "false_trips"),
        ({"method": "window"}, "false_trips"),
        ({"at_least": "5%", "above": None}, "at_least"),
        ({"above": 0}, "above"),
        ({"above": "99.5%"}, "above"),
        ({"min": 1}, "min"),
        ({"rate": "volume"}, "method"),
        ({"rate": "reversal", "weigh": "value", "currency": "USD"}, "weigh"),
    ],
)
def test_evidence_asks_for_a_promise_and_a_share(change: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError, match=rf"(?m)^(  Value error, )?{field}: "):
        Rule.model_validate(PROOF | change)


USUAL = VALUE | {"at_least": "4x usual"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"rate": "duplicate", "currency": None, "same": "target"}, "at_least"),
        ({"rate": "error", "currency": None}, "at_least"),
        ({"per": "target"}, "per"),
        ({"at_least": 5000, "floor": 100}, "floor"),
        ({"rate": "steps", "currency": None, "at_least": 5, "floor": 1}, "floor"),
    ],
)
def test_usual_is_for_the_amounts_of_a_workflow(change: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError, match=rf"(?m)^(  Value error, )?{field}: "):
        Rule.model_validate({k: v for k, v in (USUAL | change).items() if v is not None})


@pytest.mark.parametrize(
    ("change", "floor", "unknown"),
    [
        ({}, 5000, 5000),
        ({"over": "24h"}, 24 * 5000, 24 * 5000),
        ({"over": "5m", "floor": 20}, 20, 5000),
        ({"floor": 20_000}, 20_000, 20_000),
        ({"rate": "volume", "currency": None}, 250, 250),
        ({"rate": "volume", "currency": None, "of": "recipients", "floor": 1}, 1, 1000),
    ],
)
def test_a_bound_against_usual_has_a_floor(
    change: dict[str, Any], floor: float, unknown: float
) -> None:
    written = {key: part for key, part in (USUAL | change).items() if part is not None}
    rule = Rule.model_validate(written)
    assert (rule.usual, rule.bound, rule.unknown) == (Usual(4), floor, unknown)
    again = rule.model_dump_json(exclude_defaults=True)
    assert '"at_least":"4x usual"' in again
    assert Rule.model_validate_json(again) == rule


@pytest.mark.parametrize("rate", ["error", "denied", "reversal"])
def test_evidence_survives_its_text(rate: str) -> None:
    rule = Rule.model_validate(PROOF | {"rate": rate})
    assert rule.false_trips == 1_000_000
    written = rule.model_dump_json(exclude_defaults=True)
    assert '"false_trips":"1 in 1000000"' in written
    assert Rule.model_validate_json(written) == rule


@pytest.mark.parametrize("text", ["1 in 99", "1000000", 1e6, "1 in 1e6", "2 in 100", "1 in 0100"])
def test_refuses_what_is_no_promise(text: object) -> None:
    with pytest.raises(ValidationError, match="must say how rare"):
        Rule.model_validate(PROOF | {"false_trips": text})


@pytest.mark.parametrize(
    "change",
    [
        {"over": 3600},
        {"rate": "errors"},
        {"method": "proof"},
        {"min": 0},
        {"min": True},
        {"per": "workflow"},
        {"name": ""},
        {"where": {"outcome": "failure"}},
        {"where": {"by": ["human", "robot"]}},
        {"where": {"capability": "refund*"}},
        {"where": {"workflow": "x"}},
        {"where": {"action": []}},
        {"unknown": 1},
    ],
)
def test_refuses_a_wrong_rule(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Rule.model_validate(ERROR | change)


def test_a_share_above_one_is_for_arrivals() -> None:
    rule = ERROR | {"rate": "reversal", "attribute": "arrival", "above": 2}
    assert Rule.model_validate(rule).bound == 2


def test_where_needs_every_named_field_to_match() -> None:
    refund = parse_event(raw(REFUND))

    assert Where().passes(refund)
    assert Where.model_validate({"action": "refund*"}).passes(refund)
    assert Where.model_validate({"action": ["void", "refund.?reate"]}).passes(refund)
    assert not Where.model_validate({"action": "REFUND*"}).passes(refund)
    assert not Where.model_validate({"action": "refund*", "target": "dp_*"}).passes(refund)
    assert Where.model_validate({"outcome": "success", "by": "automation"}).passes(refund)


def test_where_matches_no_null() -> None:
    without_target = parse_event(raw(REFUND | {"target": None}))
    assert not Where.model_validate({"target": "*"}).passes(without_target)


@pytest.mark.parametrize(
    "limit",
    [
        {},
        {"value": 5},
        {"currency": "USD"},
        {"value": 5, "currency": "USD", "recipients": 5},
        {"recipients": 5, "currency": "USD"},
        {"recipients": 0},
        {"value": 0, "currency": "USD"},
        {"value": float("inf"), "currency": "USD"},
        {"recipients": 5, "then": "warn"},
        {"actions": 25},
        {"actions": 25, "recipients": 5, "over": "1h"},
        {"over": "1h"},
        {"recipients": 5, "people": 2},
        {"recipients": 5, "people": 3, "then": "review"},
    ],
)
def test_refuses_a_limit_that_limits_nothing_or_two_things(limit: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Limit.model_validate(limit)


def test_a_trial_that_nobody_could_pass_is_refused() -> None:
    assert Trial.model_validate({"permits": 3, "pass": 3}).passes == 3
    with pytest.raises(ValidationError, match="nobody could pass"):
        Trial.model_validate({"permits": 3, "pass": 4})


def test_recovery_is_manual_unless_a_wait_is_given() -> None:
    assert Recover().after is None
    assert Recover.model_validate({"after": "manual"}).after is None
    assert Recover.model_validate({"after": "15m"}).after == 900
    assert '"after":"manual"' in Recover().model_dump_json()


@pytest.mark.parametrize(
    ("recover", "fix"),
    [
        ({"after_max": "1h"}, "write `after: 15m`, or remove this"),
        ({"after": "manual", "after_max": "1h"}, "write `after: 15m`, or remove this"),
        ({"after": "2h", "after_max": "1h"}, "cannot be shorter than `after`"),
        ({"second_person": "an hour"}, r"second_person\n.*must be a duration such as"),
        ({"second_person": 0}, r"second_person\n.*must be a duration such as"),
        ({"second_person": True}, r"second_person\n.*must be a duration such as"),
        ({"second_person": "0h"}, r"second_person\n"),
        ({"second_persons": "1h"}, "second_persons"),
        ({"slow": {"permits": 5}}, "slow.for"),
        ({"slow": {"permits": 0, "for": "1m"}}, "slow.permits"),
        ({"slow": {"permits": 5, "for": "1m", "rate": 2}}, "slow.rate"),
        ({"backlog": "keep"}, "must be drop, hold, "),
        ({"backlog": {}}, "must be drop, hold, "),
        ({"backlog": None}, "must be drop, hold, "),
        ({"backlog": ["hold"]}, "must be drop, hold, "),
        ({"backlog": {"release": 0}}, "backlog.release"),
        ({"backlog": {"release": 10, "every": 60}}, "must be a duration"),
        ({"backlog": {"every": "1m"}}, "every: goes with `release`"),
        ({"backlog": {"at_most": 10_001}}, "backlog.at_most"),
        ({"backlog": {"release": 10, "burst": 5}}, "backlog.burst"),
    ],
)
def test_a_recovery_that_cannot_be_is_refused(recover: dict[str, Any], fix: str) -> None:
    with pytest.raises(ValidationError, match=fix):
        Recover.model_validate(recover)


def test_a_limited_rate_is_written_as_it_is_read() -> None:
    recover = {"after": "15m", "after_max": "150m", "slow": {"permits": 30, "for": "10m"}}
    read = Recover.model_validate(recover)
    assert read.slow is not None
    assert str(read.slow) == "limited to 30 in 1m, for 10m"
    assert json.loads(read.model_dump_json(exclude_defaults=True)) == recover


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("hold", "hold"),
        ({"at_most": 200}, {"at_most": 200}),
        ({"at_most": 1000}, "hold"),
        ({"release": 10}, {"release": 10}),
        ({"release": 10, "every": "1h"}, {"release": 10, "every": "1h"}),
        ({"release": 10, "every": "1m", "at_most": 5}, {"release": 10, "at_most": 5}),
    ],
)
def test_a_backlog_is_written_as_it_is_read(written: Any, told: Any) -> None:
    policy = Policy.model_validate({"name": "p", "recover": {"backlog": written}})
    assert json.loads(policy.to_json())["recover"] == {"backlog": told}
    assert Policy.model_validate_json(policy.to_json()) == policy
    assert policy.version != Policy(name="p").version


def test_what_is_refused_is_dropped_unless_a_backlog_is_wanted() -> None:
    assert Recover().backlog is None
    dropped = Policy.model_validate({"name": "p", "recover": {"backlog": "drop"}})
    assert (dropped, dropped.version) == (Policy(name="p"), Policy(name="p").version)
    assert '"backlog":"drop"' in Recover().model_dump_json()


def test_a_backlog_comes_back_evenly() -> None:
    assert Backlog(release=10, every="1m").gap_ns == 6 * 10**9  # type: ignore[arg-type]
    assert Backlog(release=7, every="1s").gap_ns == 142_857_143  # type: ignore[arg-type]


def test_a_backlog_is_of_a_workflow() -> None:
    of_all = {"name": "p", "breaker": "all", "recover": {"after": "1m", "backlog": "hold"}}
    with pytest.raises(ValidationError, match="recover: `backlog` belongs to workflows"):
        Policy.model_validate(of_all)


def test_match_needs_all_three() -> None:
    match = Match.model_validate({"workflow": ["refunds*", "credits"], "capability": "trans*"})
    assert match.accepts("refunds-eu", "any", "transact")
    assert match.accepts("credits", "any", "transact")
    assert not match.accepts("refunds-eu", "any", "send")
    assert not match.accepts("my-refunds", "any", "transact")


@given(policies())
def test_the_version_is_that_of_the_content(document: dict[str, Any]) -> None:
    policy = Policy.model_validate(document)
    again = Policy.model_validate_json(policy.to_json())

    assert again == policy
    assert again.version == policy.version
    assert len(policy.version) == 12
    assert Policy.model_validate(document | {"name": "other"}).version != policy.version


def test_the_version_changes_with_a_second_more() -> None:
    versions = {
        Policy.model_validate({"name": "p", "rules": [VALUE | {"over": f"{s}s"}]}).version
        for s in (1_234_567, 1_234_568)
    }
    assert len(versions) == 2


def test_the_version_does_not_depend_on_the_way_of_writing() -> None:
    written = [
        {"name": "p", "rules": [ERROR | {"over": "60m"}], "match": {"workflow": ["a"]}},
        {"name": "p", "rules": [ERROR | {"above": 0.05, "min": 1}], "match": {"workflow": "a"}},
    ]
    assert len({Policy.model_validate(policy).version for policy in written}) == 1


@given(books())
def test_the_first_match_wins(document: dict[str, Any]) -> None:
    book = PolicyBook.model_validate(document)
    expected = [
        place
        for place, policy in enumerate(book.policies)
        if policy.match.accepts("refunds", "agent", "transact")
    ]
    assert book.find("refunds", "agent", "transact") == next(iter(expected), None)


def test_no_policy_matches_what_none_names() -> None:
    book = PolicyBook.model_validate(
        {"version": 1, "policies": [{"name": "p", "match": {"workflow": "refunds"}}]}
    )
    assert book.find("refunds", "a", "send") == 0
    assert book.find("mail", "a", "send") is None


def test_the_longest_window_is_that_of_the_rules() -> None:
    policy = Policy.model_validate(
        {"name": "p", "rules": [VALUE, ERROR | {"name": "s", "over": "7d"}]}
    )
    assert policy.longest_window_s == 604_800
    assert Policy.model_validate({"name": "p"}).longest_window_s == 0


@pytest.mark.parametrize(
    "book",
    [
        {"version": 1, "policies": []},
        {"version": 2, "policies": [{"name": "p"}]},
        {"version": "1", "policies": [{"name": "p"}]},
        {"policies": [{"name": "p"}]},
        {"version": 1, "policies": [{"name": "p"}, {"name": "p"}]},
        {"version": 1, "policies": [{"name": "p", "rules": [ERROR, ERROR]}]},
    ],
)
def test_refuses_a_wrong_book(book: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PolicyBook.model_validate(book)


def test_every_rate_can_be_a_rule() -> None:
    made = {Rate.VALUE: VALUE, Rate.DUPLICATE: ERROR | {"same": "target", "above": 3}}
    for rate in Rate:
        rule = Rule.model_validate(made.get(rate, ERROR) | {"rate": str(rate)})
        assert rule.rate is rate


def test_the_time_in_which_it_takes_two_people_is_written_as_it_is_read() -> None:
    policy = Policy.model_validate({"name": "a", "recover": {"second_person": "60m"}})
    assert policy.recover.second_person == 3600
    assert json.loads(policy.to_json())["recover"] == {"second_person": "1h"}
    assert "second_person: 1h" in policy_text(PolicyBook(version=1, policies=(policy,)))
    assert policy.version != Policy.model_validate({"name": "a"}).version
