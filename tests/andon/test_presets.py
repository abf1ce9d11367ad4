from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from andon.errors import PolicyError
from andon.events import Capability
from andon.policy import PRESETS, Policy, PolicyBook, Rate
from andon.policy_file import load_presets, parse_policies
from andon.schemas import json_schema

FOLDER = files("andon") / "presets"
SCHEMA = Draft202012Validator(json_schema(PolicyBook))
EACH = pytest.mark.parametrize("preset", PRESETS)


def text_of(preset: str) -> str:
    return (FOLDER / f"{preset.partition('/')[2]}.yaml").read_text(encoding="utf-8")


def document(fields: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(book(fields))
    return read


def book(fields: str) -> str:
    return f"version: 1\npolicies:\n  - name: p\n    {fields}\n"


def extended(fields: str) -> Policy:
    assert [error.message for error in SCHEMA.iter_errors(document(fields))] == []
    (policy,) = parse_policies(book(fields)).policies
    return policy


def problems(fields: str) -> list[tuple[int, str, str]]:
    with pytest.raises(PolicyError) as caught:
        parse_policies(book(fields), "p.yaml")
    return [(problem.line, problem.field, problem.message) for problem in caught.value.problems]


# --- the presets themselves


def test_there_is_one_for_each_capability_and_no_other_file() -> None:
    assert {entry.name for entry in FOLDER.iterdir()} == {f"{word}.yaml" for word in Capability}


@EACH
def test_a_preset_is_a_policy_file_that_fits_its_schema(preset: str) -> None:
    (policy,) = parse_policies(text_of(preset), preset).policies
    assert f"preset/{policy.name}" == preset
    assert policy.match.capability == (policy.name,)
    assert list(SCHEMA.iter_errors(yaml.safe_load(text_of(preset)))) == []


@EACH
def test_a_preset_says_why_above_every_rule_and_limit(preset: str) -> None:
    lines = text_of(preset).splitlines()
    entries = [place for place, line in enumerate(lines) if line.startswith("      - ")]
    unexplained = [
        lines[place]
        for place in entries
        if not lines[place - 1].lstrip().startswith(("#", "- {"))
        and "resolutions-per-hour" not in lines[place]  # shares the words of the rule before it
    ]
    assert entries
    assert unexplained == []


def test_all_presets_make_one_book_that_watches_every_capability() -> None:
    presets = load_presets()
    for place, capability in enumerate(Capability):
        assert presets.find("w", "a", capability) == place


def test_the_numbers_that_the_presets_promise() -> None:
    send, update, _trigger, transact, navigate, loop = load_presets().policies

    def bound(policy: Policy, name: str) -> tuple[Rate, int, float]:
        (rule,) = (rule for rule in policy.rules if rule.name == name)
        return rule.rate, rule.over, rule.bound

    for policy in (send, update, transact, navigate, loop):
        assert bound(policy, "too-many-reversals")[2] == 0.05
    assert bound(send, "too-many-bounces")[2] == 0.1
    assert bound(update, "resolutions-per-hour") == (Rate.VOLUME, 3600, 25)
    assert bound(loop, "resolutions-per-hour") == (Rate.VOLUME, 3600, 25)
    assert [limit.recipients for limit in send.limits] == [1000]
    refund, anything = transact.limits
    assert (refund.value, refund.where.action, refund.then) == (2000, ("*refund*",), "review")
    assert (anything.value, anything.then) == (5000, "review")
    assert [limit.value for limit in navigate.limits] == [5000]


# --- extending one


@EACH
def test_extending_without_changes_is_the_preset_under_another_name(preset: str) -> None:
    (original,) = parse_policies(text_of(preset)).policies
    assert extended(f"extends: {preset}") == original.model_copy(update={"name": "p"})


def test_a_rule_without_a_rate_changes_the_fields_that_it_names() -> None:
    rule = extended(
        "extends: preset/transact\n    rules: [{name: too-many-reversals, min: 40}]"
    ).rules[0]
    assert (rule.name, rule.rate, rule.bound, rule.min) == (
        "too-many-reversals",
        Rate.REVERSAL,
        0.05,
        40,
    )


def test_a_changed_bound_takes_the_place_of_the_other_kind() -> None:
    rule = extended("extends: preset/transact\n    rules: [{name: same-again, above: 1}]").rules[0]
    assert (rule.above, rule.at_least) == (1, None)


def test_a_rule_with_a_rate_stands_for_itself() -> None:
    policy = extended(
        "extends: preset/transact\n"
        "    rules: [{name: same-again, rate: volume, over: 1h, above: 9}]"
    )
    (rule,) = (rule for rule in policy.rules if rule.name == "same-again")
    assert (rule.rate, rule.bound, rule.same) == (Rate.VOLUME, 9, ())


def test_rules_are_added_and_left_out() -> None:
    all_rules = {rule.name for rule in extended("extends: preset/loop").rules}
    policy = extended(
        "extends: preset/loop\n    without: [endless-run, steps-per-hour]\n"
        "    rules: [{name: mine, rate: volume, over: 1h, above: 9}]"
    )
    names = {rule.name for rule in policy.rules}
    assert names == all_rules - {"endless-run", "steps-per-hour"} | {"mine"}


def test_other_fields_stand_in_the_place_of_the_presets() -> None:
    policy = extended(
        "extends: preset/transact\n    match: {workflow: x}\n    mode: shadow\n    limits: []"
    )
    assert (policy.match.workflow, policy.match.capability) == (("x",), ("*",))
    assert (policy.mode, policy.limits) == ("shadow", ())


def test_what_is_published_is_the_whole_policy() -> None:
    policy = extended("extends: preset/transact\n    without: [same-again]")
    assert Policy.model_validate_json(policy.to_json()) == policy
    assert b"extends" not in policy.to_json()


def test_one_extension_does_not_change_the_next() -> None:
    extended("extends: preset/send\n    rules: [{name: too-many-bounces, at_least: 1%}]")
    assert load_presets().policies[0].rules[0].bound == 0.1


def test_the_example_of_the_documentation_says_what_it_does() -> None:
    text = (Path(__file__).parents[2] / "docs" / "presets.md").read_text(encoding="utf-8")
    example = text.partition("```yaml\n")[2].partition("```")[0]
    (policy,) = parse_policies(example).policies
    by_name = {rule.name: rule for rule in policy.rules}
    assert by_name["money-per-hour"].bound == 12_000
    assert by_name["money-per-hour"].currency == "USD"
    assert by_name["by-card"].per == "target"
    assert "actions-per-hour" not in by_name


# --- mistakes


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ("extends: transact", "extends", "use one of preset/send, preset/update"),
        ("extends: [preset/send]", "extends", "use one of preset/send"),
        ("extends: preset/send/../loop", "extends", "use one of preset/send"),
        ("without: [x]", "without", "as in `extends: preset/"),
        ("{extends: preset/send, without: x}", "without", "must be a list"),
        ("{extends: preset/send, without: [x]}", "without[0]", "which has too-many-bounces"),
        ("{extends: preset/send, without: [{a: 1}]}", "without[0]", "is no rule of preset/send"),
    ],
)
def test_a_mistake_is_told_with_its_field_and_the_fix(
    fields: str, field: str, message: str
) -> None:
    if fields.startswith("{"):
        fields = fields.strip("{}").replace(", without", "\n    without")
    ((line, named, told),) = problems(fields)
    assert named == f"policies[0].{field}"
    assert line == 4 + fields.count("\n")
    assert message in told
    assert not SCHEMA.is_valid(document(fields)) or "[" in field


def test_changing_a_rule_that_the_preset_does_not_have() -> None:
    told = problems("extends: preset/send\n    rules: [{name: bounces, above: 1%}]")
    assert (5, "policies[0].rules[0].name") in [(line, field) for line, field, _ in told]
    assert any("name a `rate` to add a rule" in message for _, _, message in told)


def test_a_mistake_in_a_change_is_told_with_its_line() -> None:
    ((line, field, told),) = problems(
        "extends: preset/send\n    rules:\n      - {name: too-many-bounces, at_least: 12}"
    )
    assert (line, field) == (6, "policies[0].rules[0].at_least")
    assert "write 12%" in told


@pytest.mark.parametrize("rules", ["x", "[x]", "[{name: [x]}]", "[{}]", "null"])
def test_rules_that_are_none_are_refused(rules: str) -> None:
    assert problems(f"extends: preset/send\n    rules: {rules}")


def test_a_policy_still_needs_its_name() -> None:
    with pytest.raises(PolicyError, match=r"policies\[0\]\.name: is required"):
        parse_policies("version: 1\npolicies: [{extends: preset/send}]")


def test_the_schema_refuses_parts_of_rules_without_a_preset() -> None:
    assert not SCHEMA.is_valid(document("rules: [{name: x, above: 1}]"))
    both = "extends: preset/send\n    rules: [{name: too-many-bounces, above: 1, at_least: 1}]"
    assert not SCHEMA.is_valid(document(both))
