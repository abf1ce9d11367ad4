from __future__ import annotations

from typing import Any

import pytest
import yaml

from andon.policy_file import draft_policies
from andon.policy_review import review

RULE = {"name": "r", "rate": "volume", "over": "1h", "at_least": 5}


def warned(*policies: Any, known: dict[str, set[str]] | None = None) -> list[tuple[str, str]]:
    """Field and message of what is found in these policies."""
    draft = draft_policies(yaml.safe_dump({"version": 1, "policies": list(policies)}))
    problems = review(draft, None, known)
    assert all(problem.warning for problem in problems)
    return [(problem.field, problem.message) for problem in problems]


@pytest.mark.parametrize(
    ("policy", "field", "message"),
    [
        ({"match": {"workflow": "refund"}}, "match.workflow", "did you mean 'refunds'?"),
        ({"match": {"workflow": ["mail*", "refundz*"]}}, "match.workflow[1]", "'refunds'?"),
        ({"match": {"automation": "zz"}}, "match.automation", "is it still to come?"),
        ({"match": {"capability": "send"}}, "match.capability", "matches no capability"),
        ({"limits": [{"where": {"target": "ch_*"}}]}, "limits[0].where.target", "no target"),
        ({"scope": {"actions": ["mail.snd"]}}, "scope.actions[0]", "'mail.send'"),
        ({"rules": [RULE | {"where": {"action": "Mail*"}}]}, "rules[0].where.action", "'mail."),
    ],
)
def test_a_glob_that_matches_nothing_known_is_told(policy: Any, field: str, message: str) -> None:
    known = {
        "workflow": {"refunds", "mail-out"},
        "automation": {"bot"},
        "capability": {"transact"},
        "action": {"refund.create", "mail.send"},
        "target": {"cus_1"},
    }
    ((named, told),) = warned({"name": "p"} | policy, known=known)
    assert named == f"policies[0].{field}"
    assert message in told


def test_nothing_is_said_of_names_that_are_not_known() -> None:
    policy = {"name": "p", "match": {"workflow": "refund"}, "scope": {"targets": ["x"]}}
    assert warned(policy) == []
    assert warned(policy, known={"automation": {"bot"}}) == []


@pytest.mark.parametrize(
    ("earlier", "later", "covered"),
    [
        (None, None, True),
        (None, {"workflow": "refunds"}, True),
        ({"workflow": "refunds"}, None, False),
        ({"workflow": "refunds"}, {"workflow": "refunds"}, True),
        ({"workflow": "re*"}, {"workflow": "refunds-*"}, True),
        ({"workflow": "re*"}, {"workflow": ["refunds", "mail"]}, False),
        ({"workflow": ["re*", "mail"]}, {"workflow": ["refunds", "mail"]}, True),
        ({"workflow": "refund?"}, {"workflow": "refund*"}, False),
        ({"workflow": "*x*"}, {"workflow": "[xy]"}, False),
        ({"workflow": "re*", "automation": "a"}, {"workflow": "refunds"}, False),
    ],
)
def test_a_policy_that_no_event_reaches_is_told(earlier: Any, later: Any, covered: bool) -> None:
    first, second = {"name": "first"}, {"name": "second"}
    found = warned(
        first if earlier is None else first | {"match": earlier},
        second if later is None else second | {"match": later},
    )
    assert [field for field, _ in found] == ["policies[1].match"] * covered


@pytest.mark.parametrize(("days", "told"), [(41, 1), (42, 0), (None, 0)])
def test_a_log_too_short_for_the_hours_of_the_week_is_told(days: int | None, told: int) -> None:
    rules = [RULE, {**RULE, "name": "usual", "at_least": "4x usual"}]
    policies = {"version": 1, "policies": [{"name": "p", "rules": rules}]}
    found = review(draft_policies(yaml.safe_dump(policies)), days and days * 86_400)
    assert [problem.field for problem in found] == ["policies[0].rules[1].at_least"] * told
    assert all(problem.warning and "is kept for 41d" in problem.message for problem in found)


def test_a_share_where_there_is_none_is_told() -> None:
    policy = {"name": "p", "rules": [RULE | {"at_least": "5%"}]}
    ((field, told),) = warned(policy)
    assert field == "policies[0].rules[0].at_least"
    assert "rate volume is no share" in told
    shares = {"name": "r", "rate": "error", "over": "1h", "above": "5%"}
    assert warned({"name": "p", "rules": [shares, RULE, {"rate": ["volume"], "above": "5%"}]}) == []


def test_what_is_no_policy_at_all_is_left_to_the_model() -> None:
    assert warned(3, {"match": 4, "rules": 5, "limits": [6], "scope": [7]}, known={}) == []
    assert warned({"match": {"workflow": 1}, "rules": [{"over": 2, "where": 3}]}) == []
