"""Limits after the fact: what was executed although its policy's limit is below it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.alert_text import alert_text
from andon.breaker import State
from andon.policy import PolicyBook
from detectors.columns import Records
from detectors.detections import Detection
from detectors.effects import Effects
from detectors.line import Line, Paused
from detectors.plan import compile_book
from detectors.snapshot import line_of, snapshot_of
from tests.detectors.logs import Log, books, logs
from tests.detectors.test_properties import written
from tests.engine import engine_effects
from tests.eventlog import book, book_of, line

H = 3600.0
RULE = {"rate": "error", "over": "2h", "above": "50%", "min": 20}
LIMIT = {"value": 2000, "currency": "USD", "where": {"action": "refund*"}, "then": "review"}
PEOPLE = {"recipients": 1000, "then": "sandbox"}
APPROVED = {"decided": {"approval": {"request": "r-1", "by": ["ana"]}}}


def limited(*limits: dict[str, Any], **policy: Any) -> PolicyBook:
    return book(RULE, limits=list(limits or [LIMIT]), **policy)


def refund(at: float, value: float | None = 2500, **fields: Any) -> bytes:
    return line(f"at {at}", at, value=value, **{"currency": "USD"} | fields)


def effects_of(policies: PolicyBook, *log: bytes) -> Effects:
    return Line(compile_book(policies)).take(Records(list(log))).effects


def found_in(policies: PolicyBook, *log: bytes) -> list[Detection]:
    return effects_of(policies, *log).detections


def test_an_action_above_a_limit_pauses_its_workflow() -> None:
    effects = effects_of(limited(PEOPLE, LIMIT), refund(0, 2000), refund(1, 2000.01), refund(2))
    (found,) = effects.detections
    assert found.report() == {
        "ts": "2026-01-31T08:00:01.000Z",
        "event_id": "at 1",
        "workflow": "refunds",
        "policy": "only",
        "rule": "limits[1]",
        "rate": "value",
        "group": None,
        "observed": 2000.01,
        "bound": 2000.0,
        "events": 1,
        "window_s": 0,
        "mode": "enforce",
    }
    (command,) = effects.commands
    assert command.state is State.OPEN
    assert command.reason.event_ids == ["at 1"]
    assert command.reason.value == {"USD": 2000.01}
    told = "money moved $2,000.01 USD in one action, bound $2,000 USD"
    assert command.reason.text == told
    assert f"refunds paused: {told}" in alert_text(effects.alerts[0])
    assert "$2,000.01 USD moved in one action" in alert_text(effects.alerts[0])
    assert [leak.event_id for leak in effects.leaks] == ["at 2"]


@pytest.mark.parametrize(
    ("limit", "event", "rules"),
    [
        (LIMIT, refund(0), ["limits[0]"]),
        (LIMIT, refund(0, currency="usd"), ["limits[0]"]),
        (LIMIT, refund(0, 2000.0000001), ["limits[0]"]),
        (LIMIT, refund(0, 1e300), ["limits[0]"]),
        (LIMIT, refund(0, 2000), []),
        (LIMIT, refund(0, None), []),
        (LIMIT, refund(0, currency="EUR"), []),
        (LIMIT, refund(0, action="payout.create"), []),
        (LIMIT, refund(0, outcome="error"), []),
        (LIMIT, refund(0, outcome="denied"), []),
        (LIMIT, refund(0, by="human"), []),
        (LIMIT, refund(0, mode="shadow"), []),
        (LIMIT, refund(0, mode="sandbox"), []),
        (LIMIT, refund(0, reverses="x"), []),
        (LIMIT, refund(0, decision=APPROVED), []),
        (LIMIT, refund(0, decision={"decided": {"verdict": "ran"}}), ["limits[0]"]),
        (LIMIT, refund(0, decision={"decided": "approval"}), ["limits[0]"]),
        (LIMIT | {"then": "deny"}, refund(0, decision=APPROVED), ["limits[0]"]),
        (LIMIT | {"over": "1h"}, refund(0), []),
        (PEOPLE, refund(0, recipients=1000), []),
        (PEOPLE, refund(0, recipients=1001), ["limits[0]"]),
        (PEOPLE, refund(0), []),
    ],
)
def test_what_counts(limit: dict[str, Any], event: bytes, rules: list[str]) -> None:
    assert [found.rule.name for found in found_in(limited(limit), event)] == rules


def test_a_cloudevent_tells_of_its_approval_too() -> None:
    envelope = b'{"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": %s}'
    assert found_in(limited(), envelope % refund(0))
    assert not found_in(limited(), envelope % refund(0, decision=APPROVED))


def test_each_limit_that_an_action_exceeds_is_told_of() -> None:
    effects = effects_of(limited(LIMIT, LIMIT | {"value": 5000}), refund(0, 6000))
    assert [found.rule.name for found in effects.detections] == ["limits[0]", "limits[1]"]
    assert len(effects.commands) == 1


def test_shadow_tells_and_pauses_nothing_and_off_does_neither() -> None:
    effects = effects_of(limited(mode="shadow"), refund(0))
    assert len(effects.detections) == 1
    assert [audit.kind for audit in effects.audits] == ["detection"]
    assert effects.commands == []
    assert found_in(limited(mode="off"), refund(0)) == []


def test_is_told_again_after_an_hour_without() -> None:
    times = [0, 10, H, H + 10, 2 * H + 10, 3 * H + 10.001]
    told = found_in(limited(mode="shadow"), *map(refund, times))
    assert [found.event_id for found in told] == ["at 0", f"at {3 * H + 10.001}"]


def test_workflows_are_told_of_each_by_itself() -> None:
    names = ["refunds-1", "refunds-2", "refunds-1"]
    log = [refund(at, workflow=name) for at, name in enumerate(names)]
    told = found_in(limited(mode="shadow"), *log)
    assert [found.workflow for found in told] == ["refunds-1", "refunds-2"]


def test_who_was_let_go_is_paused_again() -> None:
    policies = limited(recover={"after": "10m", "trial": {"permits": 2, "pass": 2}})
    effects = effects_of(policies, refund(0), refund(601, 10), refund(700))
    assert [found.event_id for found in effects.detections] == ["at 0", "at 700"]
    states = [command.state for command in effects.commands]
    assert states == [State.OPEN, State.HALF_OPEN, State.OPEN]


@pytest.mark.parametrize("rules", [[], [RULE | {"name": "r"}]])
def test_an_event_that_comes_again_is_not_told_again(rules: list[dict[str, Any]]) -> None:
    policy = {"name": "only", "mode": "shadow", "limits": [LIMIT], "rules": rules}
    log = [refund(0), refund(1.5 * H, 1), refund(0), refund(1.5 * H + 1, 1)]
    assert [found.event_id for found in found_in(book_of(policy), *log)] == ["at 0"]


def test_late_events_are_not_told() -> None:
    assert found_in(limited(), refund(3 * H, 1), refund(0)) == []


def test_events_that_were_blocked_are_not_told() -> None:
    policies = limited(LIMIT, LIMIT | {"value": 5000})
    line_ = Line(compile_book(policies), "blocked")
    effects = line_.take(Records([refund(0), refund(2 * H, 6000)])).effects
    assert [found.rule.name for found in effects.detections] == ["limits[0]"]


def test_books_without_limits_are_judged_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    def spans(policies: PolicyBook) -> list[range]:
        line_, taken = Line(compile_book(policies)), []
        take = line_.windows.take

        def noted(*args: Any, **kwargs: Any) -> Any:
            taken.append(args[3])
            return take(*args, **kwargs)

        monkeypatch.setattr(line_.windows, "take", noted)
        line_.take(Records(list(map(refund, range(5)))))
        return taken

    assert spans(book(RULE)) == spans(limited(LIMIT | {"value": 9000})) == [range(5)]
    assert spans(limited(mode="shadow")) == [range(1), range(1, 5)], "the rest is quiet"


@st.composite
def limited_books(draw: st.DrawFn) -> PolicyBook:
    """Any policies, with limits that logs exceed now and then."""
    money = st.fixed_dictionaries(
        {"value": st.sampled_from([0.3, 1, 3]), "currency": st.sampled_from(["USD", "EUR"])},
        optional={"where": st.just({"action": "refund*"})},
    )
    people = st.fixed_dictionaries({"recipients": st.sampled_from([1, 2])})
    whole = draw(books(few_pauses=True)).model_dump(mode="json", exclude_defaults=True)
    for policy in whole["policies"]:
        policy["limits"] = draw(st.lists(money | people, min_size=1, max_size=2))
        if draw(st.integers(0, 3)) == 0:
            policy.pop("rules", None)
            policy.pop("convert", None)
    return PolicyBook.model_validate(whole | {"version": 1})


CUTS = st.sets(st.integers(1, 49))
PAUSED: st.SearchStrategy[Paused] = st.sampled_from(["runs", "leaks", "blocked"])


@settings(max_examples=100, deadline=None)
@given(limited_books(), logs(), CUTS, PAUSED)
def test_batches_change_nothing(book: PolicyBook, log: Log, cuts: set[int], paused: Paused) -> None:
    inside = [cut for cut in cuts if cut < len(log)]
    whole = engine_effects(book, log, (), paused)
    assert written(engine_effects(book, log, inside, paused)) == written(whole)


@settings(max_examples=75, deadline=None)
@given(limited_books(), logs(), CUTS)
def test_snapshots_change_nothing(book: PolicyBook, log: Log, cuts: set[int]) -> None:
    compiled = compile_book(book)

    def restarted() -> Iterator[Effects]:
        line_ = Line(compiled)
        for start, end in pairwise([0, *sorted(cut for cut in cuts if cut < len(log)), len(log)]):
            yield line_.take(Records(log[start:end])).effects
            line_ = line_of(compiled, snapshot_of(line_))

    assert written(list(restarted())) == written([Line(compiled).take(Records(log)).effects])


@pytest.mark.parametrize("mode", ["shadow", "enforce"])
def test_a_replay_comes_to_the_same_state(mode: str) -> None:
    compiled = compile_book(limited(LIMIT, PEOPLE, mode=mode))
    log = Records([refund(0), refund(10, recipients=2000), refund(20, 1), refund(0), refund(H)])
    lived, replayed = Line(compiled), Line(compiled)
    moves = lived.take(log).effects.commands
    replayed.replay(log)
    for command in moves:
        replayed.obey(command)
    assert replayed.limits.dump() == lived.limits.dump() != {}
    after = Records([refund(1.5 * H), refund(3 * H)])
    assert written([replayed.take(after).effects])[0] == written([lived.take(after).effects])[0]
