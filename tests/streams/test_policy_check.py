"""All mistakes and warnings of a policy file, in one go."""

from __future__ import annotations

from andon.policy_file import draft_policies
from streams.policy_check import problems_of

DAY_S = 86_400
TEXT = """\
version: 1
policies:
  - name: refunds
    match: {workflow: refnds}
    rules:
      - {name: errors, rate: error, over: 85h, above: 5%, where: {action: "refund.*"}}
      - {name: money, rate: value, over: 8d, at_least: 5, above: 6}
  - name: rest
    rules: [{name: many, rate: volume, over: 84h, at_least: 5}]
"""
SEEN = {"workflow": {"refunds", "mail"}, "action": {"refund.create"}}


def told(text: str, **known: set[str]) -> list[tuple[int, str, bool, str]]:
    problems = problems_of(draft_policies(text, "p.yaml"), 7 * DAY_S, known)
    assert {problem.file for problem in problems} <= {"p.yaml"}
    return [
        (problem.line, problem.field.rpartition("].")[2], problem.warning, problem.message)
        for problem in problems
    ]


def test_mistakes_and_warnings_are_told_together() -> None:
    found = told(TEXT, **SEEN)
    assert [(line, field, warning) for line, field, warning, _ in found] == [
        (4, "match.workflow", True),
        (6, "over", True),
        (7, "over", False),
        (7, "above", False),
        (7, "currency", False),
    ]
    messages = [message for *_, message in found]
    assert messages[0] == "'refnds' matches no workflow that was seen; did you mean 'refunds'?"
    assert messages[1].startswith(
        "a restart needs twice 85h of log, and execute.events is kept for 7d; keep it for 8 days "
        "(ANDON_EVENTS_RETENTION_DAYS=8; of a topic that exists retention.ms=691200000)"
    )
    assert messages[2].startswith("8d is longer than execute.events is kept, 7d; keep it for 16")


def test_too_many_filters_are_told_where_the_policy_stands() -> None:
    rule = "{{name: r{0}, rate: volume, over: 1h, at_least: 5, where: {{action: a{0}}}}}"
    rules = ", ".join(rule.format(number) for number in range(40))
    text = "version: 1\npolicies:\n  - {name: a, match: {workflow: a}}\n  - name: b\n"
    text += f"    rules: [{rules}]\n"
    ((line, field, warning, message),) = told(text)
    assert (line, field, warning) == (4, "policies[1]", False)
    assert message.endswith("different `where` and currencies; split the policy")
