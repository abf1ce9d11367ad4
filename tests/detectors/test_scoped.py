"""The second stage: what is forwarded, and that a line of scopes judges it as any line would."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.breaker import State
from andon.commands import Command
from andon.policy import PolicyBook
from backtest.replay import replay
from detectors.columns import Records
from detectors.line import Line
from detectors.plan import compile_book
from detectors.scoped import Forward
from detectors.snapshot import line_of, snapshot_of
from tests.eventlog import book_of, line
from tests.wild import RECOVER, RULES, a_wild_log

VOLUME = {"name": "many", "rate": "volume", "over": "1h", "at_least": 3}


def policy(name: str, breaker: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "breaker": breaker, "rules": [VOLUME]} | more


def forwards(book: PolicyBook, *log: bytes) -> list[Forward]:
    return Line(compile_book(book)).take(Records(log, offsets=range(len(log)))).forwards


def scopes(book: PolicyBook, **event: Any) -> dict[str, str]:
    """The scopes of one event, each with the policy that forwards it."""
    found = forwards(book, line("1", 0, **event))
    return {each.scope: json.loads(each.value)["andon_policy"] for each in found}


def judged(book: PolicyBook, *log: bytes, **how: Any) -> list[tuple[str, str, str]]:
    return [
        (found.workflow, found.policy.name, found.event_id)
        for taken in replay(book, log, **how)
        for found in taken.effects.detections
    ]


@pytest.mark.parametrize(
    ("breaker", "event", "scope"),
    [
        ("all", {}, "andon:all"),
        ("automation", {"automation": "bot"}, "andon:automation:bot"),
        ("target", {"target": "stripe"}, "andon:target:stripe"),
        ("target", {}, None),
        ("tenant", {"labels": {"tenant": "acme"}}, "andon:tenant:acme"),
        ("tenant", {"labels": {"tenant": 7}}, "andon:tenant:7"),
        ("tenant", {"labels": {"customer": "acme"}}, None),
        ({"tenant_label": "customer"}, {"labels": {"customer": "acme"}}, "andon:tenant:acme"),
        ("all", {"mode": "shadow"}, None),
        ("workflow", {}, None),
    ],
)
def test_an_event_goes_to_the_scope_that_it_is_in(
    breaker: Any, event: dict[str, Any], scope: str | None
) -> None:
    assert scopes(book_of(policy("p", breaker)), **event) == ({scope: "p"} if scope else {})


def test_many_targets_are_one_under_a_name() -> None:
    book = book_of(policy("p", {"target": "stripe"}, match={"target": ["ch_*", "pi_*"]}))
    for target, found in {"ch_1": True, "pi_2": True, "acme": False, None: False}.items():
        assert scopes(book, target=target) == ({"andon:target:stripe": "p"} if found else {})


def test_of_each_kind_the_first_that_matches_forwards() -> None:
    book = book_of(
        policy("workflows", "workflow"),
        policy("refunds", "all", match={"workflow": "refund*"}),
        policy("rest", "all"),
        policy("off", "automation", mode="off"),
        policy("bots", "automation"),
    )
    assert scopes(book) == {"andon:all": "refunds", "andon:automation:agent-1": "bots"}
    assert scopes(book, workflow="mails")["andon:all"] == "rest"


def test_events_of_all_workflows_count_together_and_one_id_once() -> None:
    book = book_of(policy("p", "all"))
    log = [line(f"{n}", n, workflow=f"w{n}") for n in (1, 1, 2, 2, 3, 4)]
    assert judged(book, *log) == [("andon:all", "p", "3")]


def test_each_policy_of_a_scope_counts_what_it_forwards() -> None:
    book = book_of(policy("a", "all", match={"workflow": "a"}), policy("b", "all"))
    log = [line(f"{n}", n, workflow="ab"[n % 2]) for n in range(6)]
    assert judged(book, *log) == [("andon:all", "a", "4"), ("andon:all", "b", "5")]


def test_the_command_carries_the_globs_of_a_named_target() -> None:
    book = book_of(policy("p", {"target": "stripe"}, match={"target": "ch_*"}))
    log = [line(f"{n}", n, workflow=f"w{n}", target=f"ch_{n}") for n in range(3)]
    (command,) = [c for taken in replay(book, log, latch=True) for c in taken.effects.commands]
    assert (command.workflow, command.state) == ("andon:target:stripe", State.OPEN)
    assert command.targets == ["ch_*"]


ODD_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@given(ODD_TEXT, ODD_TEXT, ODD_TEXT, st.booleans())
def test_whatever_was_an_event_is_one_in_the_second_stage(
    workflow: str, automation: str, target: str, enveloped: bool
) -> None:
    book = book_of(policy("t", "target"), policy("a", "automation"), policy("n", "tenant"))
    raw = line(
        "\N{SNOWMAN}1",
        0,
        workflow=workflow,
        automation=automation,
        target=target,
        labels={"tenant": target},
    )
    if enveloped:
        raw = json.dumps({"specversion": "1.0", "data": json.loads(raw)}).encode()
    found = forwards(book, raw)
    assert len(found) == 3
    second = Line(compile_book(book), scoped=True)
    keys = [each.scope.encode() for each in found]
    taken = second.take(Records([each.value for each in found], keys))
    assert taken.effects.rejected == []
    assert [event.workflow for event in taken.columns.events] == [each.scope for each in found]
    assert {event.event_id for event in taken.columns.events} == {"\N{SNOWMAN}1"}


@pytest.mark.parametrize(
    "raw", [b"{", b"[]", line("1", 0), line("1", 0, workflow="andon:all"), None]
)
def test_what_was_not_forwarded_is_a_dead_letter_there(raw: bytes | None) -> None:
    second = Line(compile_book(book_of(policy("p", "all"))), scoped=True)
    (rejected,) = second.take(Records([raw], [b"andon:all"])).effects.rejected
    assert rejected.error.field == "workflow"


def mixed() -> PolicyBook:
    more = {"rules": RULES, "recover": RECOVER}
    return book_of(
        {"name": "own", **more},
        policy("all", "all", **more, match={"workflow": "w[0-3]"}),
        policy("targets", "target", **more),
        policy("some", {"tenant_label": "none"}),
    )


def test_how_a_log_is_cut_changes_nothing() -> None:
    log = a_wild_log(random.Random(11), [f"w{n}" for n in range(8)], 1500)
    whole = judged(mixed(), *log)
    assert {name for _, name, _ in whole} == {"own", "all", "targets"}
    for size in (1, 7, 400):
        assert judged(mixed(), *log, batch_size=size) == whole


def test_a_snapshot_of_a_line_of_scopes_goes_on_as_the_line_would() -> None:
    compiled = compile_book(mixed())
    log = a_wild_log(random.Random(12), [f"w{n}" for n in range(8)], 1500)
    values = [each.value for each in forwards(mixed(), *log)]
    whole = Line(compiled, scoped=True).take(Records(values)).effects
    watched, cut = Line(compiled, scoped=True), list[Command]()
    for start in range(0, len(values), 300):
        cut += watched.take(Records(values[start : start + 300])).effects.commands
        watched = line_of(compiled, snapshot_of(watched), scoped=True)
    assert [c.command_id for c in cut] == [c.command_id for c in whole.commands]
    assert whole.commands


def test_without_policies_of_scopes_nothing_is_forwarded() -> None:
    book = book_of({"name": "own", "rules": [VOLUME]})
    assert forwards(book, *(line(f"{n}", n, target="t") for n in range(9))) == []
