"""Whose breaker a policy moves: what may be written, and what is told of mistakes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from andon.errors import PolicyError
from andon.policy import PolicyBook
from andon.policy_file import parse_policies
from andon.policy_text import policy_text
from andon.schemas import json_schema
from tests.eventlog import book_of

RULE = {"name": "many", "rate": "volume", "over": "1h", "at_least": 3}
GOOD: list[Any] = [
    *("workflow", "automation", "target", "tenant", "all"),
    {"target": "stripe"},
    {"tenant_label": "customer"},
]


def policy(breaker: Any) -> dict[str, Any]:
    match = {"target": ["ch_*"]} if breaker not in ("workflow",) else {}
    return {"name": "p", "breaker": breaker, "match": match, "rules": [RULE]}


@pytest.mark.parametrize("breaker", GOOD)
def test_is_read_and_written_as_people_write_it(breaker: Any) -> None:
    book = book_of(policy(breaker))
    (made,) = book.policies
    told = json.loads(made.to_json())
    assert told.get("breaker", "workflow") == breaker
    assert type(made).model_validate_json(made.to_json()) == made
    assert parse_policies(policy_text(book)) == book
    document = {"version": 1, "policies": [policy(breaker)]}
    Draft202012Validator(json_schema(PolicyBook)).validate(document)


@pytest.mark.parametrize(
    "breaker",
    ["workflows", "", None, 1, [], {}, {"target": ""}, {"all": "x"}, {"target": "a" * 181}],
)
def test_says_what_it_may_be(breaker: Any) -> None:
    document = {"version": 1, "policies": [policy(breaker)]}
    with pytest.raises(PolicyError, match=r"policies\[0\]\.breaker: must be workflow, automation"):
        parse_policies(json.dumps(document))
    assert not Draft202012Validator(json_schema(PolicyBook)).is_valid(document)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"breaker": "workflow", "match": {"target": "ch_*"}}, "match"),
        ({"breaker": {"target": "stripe"}, "match": {}}, "match"),
        ({"breaker": "all", "limits": [{"recipients": 5}]}, "limits"),
        ({"breaker": "all", "scope": {"actions": "x"}}, "scope"),
    ],
)
def test_what_does_not_fit_is_told_with_its_field(changes: dict[str, Any], field: str) -> None:
    document = {"version": 1, "policies": [policy("all") | changes]}
    with pytest.raises(PolicyError) as caught:
        parse_policies(json.dumps(document))
    (problem,) = caught.value.problems
    assert problem.field == f"policies[0].{field}"


def test_a_policy_of_a_scope_takes_no_events_from_those_of_workflows() -> None:
    own = {"name": "own", "rules": [RULE]}
    book = book_of(policy("all") | {"match": {}}, own)
    assert book.find("refunds", "bot", "send") == 1
