from __future__ import annotations

import json

import pytest

from andon import Guard, MemoryTransport
from andon.errors import EventError
from andon.events import parse_event
from andon.scope_names import EVERYTHING, NAME_MAX, Kind, scope_name, scope_of, spoken
from detectors.columns import Records
from detectors.line import Line
from detectors.plan import compile_book
from tests.andon.documents import REFUND
from tests.eventlog import book, line

NAMES = [
    (Kind.ALL, "", "andon:all", "everything"),
    (Kind.AUTOMATION, "refund-bot", "andon:automation:refund-bot", "automation refund-bot"),
    (Kind.TARGET, "ch:1", "andon:target:ch:1", "target ch:1"),
    (Kind.TENANT, "acme", "andon:tenant:acme", "tenant acme"),
]


@pytest.mark.parametrize(("kind", "name", "workflow", "words"), NAMES)
def test_a_scope_is_a_reserved_workflow(kind: Kind, name: str, workflow: str, words: str) -> None:
    assert scope_name(kind, name) == workflow
    assert scope_of(workflow) == (kind, name)
    assert spoken(workflow) == words


@pytest.mark.parametrize("workflow", ["refunds", "andon", "andon:canary", "andon:all:of", "all"])
def test_other_names_are_workflows(workflow: str) -> None:
    assert scope_of(workflow) is None
    assert spoken(workflow) == workflow


def test_long_names_fit_and_stay_apart() -> None:
    long = [scope_name(Kind.TARGET, "x" * 490 + end) for end in "ab"]
    assert [len(name) for name in long] == [NAME_MAX, NAME_MAX]
    assert long[0] != long[1]
    assert all(scope_of(name) for name in long)


@pytest.mark.parametrize("workflow", [workflow for _, _, workflow, _ in NAMES])
def test_no_event_may_bear_such_a_name(workflow: str) -> None:
    raw = json.dumps(REFUND | {"workflow": workflow}).encode()
    with pytest.raises(EventError, match="is reserved for") as caught:
        parse_event(raw)
    assert caught.value.field == "workflow"
    rule = {"rate": "volume", "over": "1h", "at_least": 1}
    taken = Line(compile_book(book(rule))).take(Records([line("1", 0, workflow=workflow)]))
    (rejected,) = taken.effects.rejected
    assert str(rejected.error) == str(caught.value)
    assert taken.effects.detections == []


def test_no_guard_may_be_of_a_scope() -> None:
    with pytest.raises(ValueError, match="workflow: 'andon:all' is reserved for everything"):
        Guard("andon:all", "refund-bot", transport=MemoryTransport())
    assert EVERYTHING == "andon:all"
