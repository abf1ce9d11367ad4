from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.errors import PolicyError
from andon.policy import PolicyBook
from andon.policy_file import load_policies, parse_policies
from andon.policy_text import policy_text
from tests.andon.policy_documents import CONTRACT, books


def problems(text: str) -> list[tuple[int, str, str]]:
    """Line, field and message of everything that is wrong with `text`."""
    with pytest.raises(PolicyError) as caught:
        parse_policies(text, "p.yaml")
    return [(problem.line, problem.field, problem.message) for problem in caught.value.problems]


def rule(fields: str) -> str:
    return f"version: 1\npolicies:\n  - name: p\n    rules:\n      - {{name: r, {fields}}}\n"


def test_reads_the_example_of_the_contract(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(CONTRACT, encoding="utf-8")
    (policy,) = load_policies(tmp_path / "p.yaml").policies

    assert [rule.bound for rule in policy.rules] == [0.05, 5000, 3]
    assert [rule.over for rule in policy.rules] == [86_400, 3600, 86_400]
    assert policy.rules[2].same == ("action", "target", "value")
    assert policy.limits[0].where.action == ("refund*",)
    assert policy.scope.targets == ("ch_*",)
    assert (policy.recover.after, policy.recover.trial.passes) == (None, 10)
    assert policy.alert.receivers == ("payments-oncall",)


@given(books())
def test_reads_what_yaml_can_write(document: dict[str, Any]) -> None:
    text = yaml.safe_dump(document)
    assert parse_policies(text) == PolicyBook.model_validate(document)


@given(books())
def test_what_it_writes_it_reads_again(document: dict[str, Any]) -> None:
    book = PolicyBook.model_validate(document)
    assert parse_policies(policy_text(book)) == book


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["x", "5%", "1h", "value"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["name", "rate", "over", "x"]) | st.integers(0, 1), inner)
    ),
    max_leaves=4,
)


@settings(max_examples=300)
@given(books(), st.data())
def test_whatever_is_wrong_is_told(document: dict[str, Any], data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 3))):
        spoil(document, data)
    with contextlib.suppress(PolicyError):
        parse_policies(yaml.safe_dump(document))


def spoil(document: Any, data: st.DataObject) -> None:
    """Put anything anywhere."""
    while isinstance(document, dict | list) and document:
        keys = list(document) if isinstance(document, dict) else list(range(len(document)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(document[key], dict | list) or data.draw(st.integers(0, 3)) == 0:
            if isinstance(document, dict) and data.draw(st.booleans()):
                key = data.draw(st.sampled_from(["nme", "raet", "colour", 3]))
            document[key] = data.draw(ANYTHING)
            return
        document = document[key]


def test_writes_a_policy_as_people_do() -> None:
    text = policy_text(parse_policies(CONTRACT))
    assert "\n  - name: refunds\n    match: {workflow: refunds*}\n    rules:\n" in text
    assert "- {name: too-many-reversals, rate: reversal, over: 24h, above: 5%, min: 20}\n" in text
    assert "mode" not in text


def test_every_mistake_is_told_with_its_line() -> None:
    text = CONTRACT.replace("above: 5%", "above: five").replace("mode: enforce", "mode: enforced")
    text = text.replace("severity: critical", "severty: critical")
    assert [(line, field) for line, field, _ in problems(text)] == [
        (5, "policies[0].mode"),
        (7, "policies[0].rules[0].above"),
        (15, "policies[0].alert.severty"),
    ]


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ("rate: error, over: 1h", "above", "exactly one of"),
        ("rate: error, over: 1h, above: 5%, at_least: 5%", "above", "exactly one of"),
        ("rate: error, over: 1h, at_least: 5", "at_least", "write 5% or 0.05"),
        ("rate: error, over: 1h, at_lest: 5%", "at_lest", "did you mean 'at_least'?"),
        ("rate: error, over: 1h, above: 5%, workflow: x", "workflow", "does not belong here"),
        ("rate: error, over: 1h, above: 5%, colour: x", "colour", "remove it"),
        ("rate: error, above: 5%", "over", "is required"),
        ("rate: error, over: 1:30, above: 5%", "over", "such as 90s"),
        ("rate: error, over: {hours: 1}, above: 5%", "over", "such as 90s"),
        ("rate: error, over: 1h, above: {x: 1}", "above", "such as 5000"),
        ("rate: error, over: 1h, above: [5%]", "above", "such as 5000"),
        (f"rate: volume, over: 1h, above: {'9' * 400}", "above", "finite"),
        ("rate: volume, over: 1h, above: .nan", "above", "finite"),
        ("rate: volume, over: 1h, above: 4 usual", "above", "a factor such as 4x usual"),
        ("rate: volume, over: 1h, above: 1x usual", "above", "a factor above 1"),
        ("rate: error, over: 1h, above: 4x usual", "above", "usual is for volume and value"),
        ("rate: volume, over: 1h, above: 4x usual, per: run", "per", "write a number in `above`"),
        ("rate: volume, over: 1h, above: 4, floor: 2", "floor", "such as `4x usual`"),
        ("rate: volume, over: 1h, above: 4x usual, floor: 0", "floor", "greater than 0"),
        ("rate: value, over: 1h, above: 5", "currency", "as in `currency: USD`"),
        ("rate: duplicate, over: 1h, above: 5", "same", "rate duplicate needs it"),
        ("rate: duplicate, over: 1h, above: 5, same: colour", "same", "knows no field 'colour'"),
        ("rate: volume, over: 1h, above: 5, min: 3", "min", "belongs to denied, error, reversal"),
        ("rate: error, over: 1h, above: 5%, where: refund", "where", "must be a mapping"),
        ("rate: error, over: 1h, above: 5%, where: {by: robot}", "where.by", "matches none of"),
    ],
)
def test_a_mistake_in_a_rule_names_field_and_fix(fields: str, field: str, message: str) -> None:
    ((line, named, told),) = problems(rule(fields))
    assert (line, named) == (5, f"policies[0].rules[0].{field}")
    assert message in told


@pytest.mark.parametrize(
    ("convert", "field", "message"),
    [
        ("{to: USD}", "convert.rates", "is required"),
        ("{to: USD, rates: {}}", "convert.rates", "at least 1 item"),
        ("{to: USD, rates: 1.08}", "convert.rates", "must be a mapping"),
        ("{to: USD, rates: {EURO: 1.08}}", "convert.rates", "three letters, as in EUR"),
        ("{to: USD, rates: {EUR: 1, eur: 2}}", "convert.rates", "names EUR twice"),
        ("{to: USD, rates: {EUR: 0}}", "convert.rates.EUR", "greater than 0"),
        ("{to: USD, rates: {EUR: .inf}}", "convert.rates.EUR", "finite"),
        ("{to: USD, rates: {EUR: 1.0000000000001}}", "convert.rates.EUR", "at most 12 digits"),
        ("{to: USD, rates: {USD: 2}}", "convert.rates", "converted to; remove it"),
        ("{to: EUR, rates: {USD: 2}}", "convert", "write `currency: EUR` in one, or remove"),
    ],
)
def test_a_mistake_in_a_conversion_names_field_and_fix(
    convert: str, field: str, message: str
) -> None:
    text = rule("rate: value, over: 1h, above: 5, currency: usd")
    ((line, named, told),) = problems(f"{text}    convert: {convert}\n")
    assert (line, named) == (6, f"policies[0].{field}")
    assert message in told


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ("share: 0%", "share", "above 0%, up to 100%"),
        ("share: 101%", "share", "above 0%, up to 100%"),
        ("share: 2x usual", "share", "above 0%, up to 100%"),
        ("share: true", "share", "must be a"),
        ("over: soon", "over", "must be a duration"),
        ("min: -1", "min", "greater than or equal to 0"),
        ("shares: 20%", "shares", "share"),
    ],
)
def test_a_mistake_in_auto_pause_names_field_and_fix(fields: str, field: str, message: str) -> None:
    text = f"version: 1\nauto_pause: {{{fields}}}\npolicies: [{{name: a}}]\n"
    ((line, at, told),) = problems(text)
    assert (line, at) == (2, f"auto_pause.{field}")
    assert message in told


@pytest.mark.parametrize(
    ("backlog", "field", "message"),
    [
        (
            "keep",
            "",
            "must be drop, hold, {at_most: 200} or {release: 10, every: 1m, at_most: 1000}",
        ),
        ("{release: many}", ".release", "valid integer"),
        ("{release: 5, every: soon}", ".every", "must be a duration"),
        ("{every: 1m}", ".every", "goes with `release`"),
        ("{relase: 5}", ".relase", "did you mean 'release'?"),
    ],
)
def test_a_mistake_in_a_backlog_names_field_and_fix(backlog: str, field: str, message: str) -> None:
    text = f"version: 1\npolicies:\n  - name: a\n    recover: {{backlog: {backlog}}}\n"
    ((line, at, told),) = problems(text)
    assert (line, at) == (4, f"policies[0].recover.backlog{field}")
    assert message in told


def test_two_mistakes_across_the_fields_of_a_rule_are_both_told() -> None:
    told = problems(rule("rate: value, over: 1h, min: 5, above: 5"))
    rule_fields = {field.removeprefix("policies[0].rules[0].") for _, field, _ in told}
    assert rule_fields == {"currency", "min"}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ("rate: value, over: 1h, above: 5, at_least: 6, colour: x", "colour above currency"),
        ("rate: value, over: soon, above: five, at_least: 6", "over above above currency"),
        ("rate: speed, over: 1h, above: 5, at_least: 6, currency: USD", "rate above"),
        ("rate: duplicate, over: 1h, min: many, above: 5", "min same"),
        ("rate: error, over: 1h, method: luck, false_trips: 1 in 1000, above: 5%", "method"),
        ("rate: volume, over: 1h, above: [5]", "above"),
        ("rate: error, over: 1h, min: 0, above: 5", "min above"),
        ("over: 1h, above: 5, at_least: 6", "rate above"),
    ],
)
def test_a_wrong_field_does_not_hide_others(fields: str, named: str) -> None:
    told = [field.removeprefix("policies[0].rules[0].") for _, field, _ in problems(rule(fields))]
    assert sorted(told) == sorted(named.split())


def test_two_of_a_name_are_told_once_where_the_second_stands() -> None:
    text = rule("rate: value, over: 1h, above: 5, currency: USD")
    text += "      - {name: r, rate: error, over: 1h, above: 5%}\n"
    text += "    convert: {to: USD, rates: {EUR: 1.1}}\n"
    ((line, field, told),) = problems(text)
    assert (line, field) == (6, "policies[0].rules[1].name")
    assert told == "'r' is the name of another one above; give each its own name"


def test_a_wrong_name_is_not_said_to_be_missing() -> None:
    ((line, field, told),) = problems("version: 1\npolicies: [{name: off, mode: shadow}]")
    assert (line, field) == (2, "policies[0].name")
    assert told == "input should be a valid string, got False"


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        ("{value: 5, then: reviw}", "[0].then [0].currency"),
        ("{value: -5, currency: USD}", "[0].value"),
        ("{actions: 5, where: {by: robot}}", "[0].where.by [0].over"),
        ("{recipients: 5, people: 2, then: ask}", "[0].then"),
        ("7, {value: 5}", "[0] [1].currency"),
    ],
)
def test_a_wrong_field_of_a_limit_does_not_hide_others(limits: str, named: str) -> None:
    told = problems(f"version: 1\npolicies: [{{name: p, limits: [{limits}]}}]")
    fields = [field.removeprefix("policies[0].limits") for _, field, _ in told]
    assert sorted(fields) == sorted(named.split())


def test_a_wrong_rule_does_not_make_a_conversion_look_idle() -> None:
    text = rule("rate: valeu, over: 1h, above: 5, currency: USD")
    told = problems(f"{text}    convert: {{to: USD, rates: {{EUR: 1.1}}}}\n")
    assert [field for _, field, _ in told] == ["policies[0].rules[0].rate"]


def test_mistakes_in_one_policy_do_not_hide_those_in_another() -> None:
    text = """\
version: 1
colour: red
policies:
  - name: a
    mode: loud
    recover: {trial: {permits: many, pass: 5}}
    rules:
      - {name: r, rate: value, over: 1h, above: 5}
      - {name: r, rate: volume, over: 1h, above: 5}
      - 7
  - {name: a, limits: [{value: 5, colour: x}], scope: 5}
  - 8
"""
    assert [(line, field) for line, field, _ in problems(text)] == [
        (2, "colour"),
        (5, "policies[0].mode"),
        (6, "policies[0].recover.trial.permits"),
        (8, "policies[0].rules[0].currency"),
        (9, "policies[0].rules[1].name"),
        (10, "policies[0].rules[2]"),
        (11, "policies[1].name"),
        (11, "policies[1].limits[0].colour"),
        (11, "policies[1].scope"),
        (11, "policies[1].limits[0].currency"),
        (12, "policies[2]"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "must start with `version: 1`"),
        ("- 1", 1, "must start with `version: 1`"),
        ("version: 1\n  x: [", 2, "is not YAML"),
        ("version: 1\npolicies: {}\n---\nversion: 1\n", 3, "is not YAML"),
        ("version: \x00", 1, "is not YAML"),
        ("version: 1\npolicies: [{name: 2026-13-45}]", 1, "cannot read: month must be"),
        ("version: !!timestamp soon", 1, "cannot read"),
        ("version: !!bool perhaps", 1, "cannot read"),
        ("[" * 5000, 1, "nested too deeply"),
        ("&a [*a]", 1, "must start with `version: 1`"),
    ],
)
def test_a_file_that_is_no_policy_at_all(text: str, line: int, message: str) -> None:
    ((at, field, told),) = problems(text)
    assert (at, field) == (line, "file")
    assert message in told


def test_an_alias_may_lead_into_itself() -> None:
    ((line, field, _),) = problems("version: 1\npolicies: &a\n  - *a\n")
    assert (line, field) == (2, "policies[0]")


def test_aliases_of_aliases_are_walked_once() -> None:
    levels = [f"  - &l{n + 1} [{', '.join([f'*l{n}'] * 9)}]" for n in range(30)]
    text = "\n".join(["version: 1", "policies: [{name: p}]", "x:", "  - &l0 [1]", *levels])
    ((line, field, told),) = problems(text)
    assert (line, field) == (3, "x")
    assert "remove it" in told


def test_off_needs_no_quotes() -> None:
    (policy,) = parse_policies("version: 1\npolicies: [{name: p, mode: off}]").policies
    assert policy.mode == "off"


def test_an_alias_is_read() -> None:
    text = rule("rate: error, over: &day 24h, above: 5%") + "    recover: {after: *day}\n"
    (policy,) = parse_policies(text).policies
    assert policy.recover.after == policy.rules[0].over == 86_400


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("version: 1\npolicies:\n  - name: a\n    name: b\n", (4, "policies[0].name")),
        ("version: 1\nversion: 1\npolicies: [{name: a}]\n", (2, "version")),
    ],
)
def test_a_key_that_stands_twice_is_told(text: str, expected: tuple[int, str]) -> None:
    ((line, field, told),) = problems(text)
    assert (line, field) == expected
    assert "stands twice" in told


def test_a_long_value_is_shortened() -> None:
    ((_, _, told),) = problems(rule(f"rate: {'x' * 10_000}, over: 1h, above: 5%"))
    assert len(told) < 250


def test_a_file_that_cannot_be_read_is_told_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"\xff")
    for path in (tmp_path / "missing.yaml", tmp_path / "latin.yaml", tmp_path):
        with pytest.raises(PolicyError, match="cannot be read") as caught:
            load_policies(path)
        assert caught.value.problems[0].file == str(path)


@given(st.text(st.sampled_from("version: 1\npolicies:[]{}-&*!'\"|>%@0.,?#"), max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    refused = False
    try:
        parse_policies(text)
    except PolicyError as error:
        refused = bool(error.problems)
    assert refused
