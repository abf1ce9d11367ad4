"""`extends: preset/<capability>` in a policy file: a preset, and what the file changes in it.

A preset is an ordinary policy file of one policy, in `andon/presets`. Of the policy that extends it

- each rule that names no `rate` changes, in the preset's rule of its name, the fields it names;
- each rule that names a `rate` stands for itself, in the place of the preset's rule of its name;
- `without` lists rules of the preset that are left out;
- any other field that it names stands in the place of the preset's.

The policy's own rules come first, in their own order: so a mistake in one is told with its line.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from andon import yaml_lines
from andon.policy import PRESETS

_BOUNDS = frozenset({"above", "at_least"})


@cache
def preset(name: str) -> dict[str, Any]:
    """The policy that a preset's file holds, as YAML says it; not to be changed."""
    path = files("andon") / f"{name.replace('preset/', 'presets/', 1)}.yaml"
    policy: dict[str, Any] = yaml_lines.read(path.read_text(encoding="utf-8"))["policies"][0]
    return policy


def expand(document: dict[str, Any]) -> yaml_lines.Expanded:
    """A policy file's document with every `extends` carried out, and what is wrong with them."""
    policies = document.get("policies")
    if not isinstance(policies, list):
        return document, []
    misuses: list[yaml_lines.Misuse] = []
    expanded = []
    for place, policy in enumerate(policies):
        if isinstance(policy, dict) and {"extends", "without"} & policy.keys():
            misuses += [(("policies", place, *at), text) for at, text in _misuses(policy)]
            policy = _extended(policy)
        expanded.append(policy)
    return document | {"policies": expanded}, misuses


def _extended(policy: dict[str, Any]) -> dict[str, Any]:
    own = {key: value for key, value in policy.items() if key not in ("extends", "without")}
    if policy.get("extends") not in PRESETS:
        # What its rules would have changed is not known; the rest is still checked.
        return {key: value for key, value in own.items() if key != "rules"}
    base = {key: value for key, value in preset(policy["extends"]).items() if key != "name"}
    rules = own.get("rules", [])
    if not isinstance(rules, list):
        return base | own
    left = {_name(rule): rule for rule in base["rules"]}
    changed = [_changed(left.get(_name(rule)), rule) for rule in rules]
    gone = [*map(_name, rules), *_listed(policy.get("without"))]
    kept = [rule for name, rule in left.items() if name not in gone]
    return base | own | {"rules": [*changed, *kept]}


def _changed(theirs: dict[str, Any] | None, rule: Any) -> Any:
    if theirs is None or "rate" in rule:
        return rule
    dropped = _BOUNDS if _BOUNDS & rule.keys() else frozenset()
    return {key: value for key, value in theirs.items() if key not in dropped} | rule


def _misuses(policy: dict[str, Any]) -> Iterator[yaml_lines.Misuse]:
    if "extends" not in policy:
        yield ("without",), f"leaves out rules of a preset; name it, as in `extends: {PRESETS[0]}`"
        return
    name = policy["extends"]
    if name not in PRESETS:
        yield ("extends",), f"knows no {yaml_lines.shown(name)}; use one of {', '.join(PRESETS)}"
        return
    known = [rule["name"] for rule in preset(name)["rules"]]
    has = f"is no rule of {name}, which has {', '.join(known)}"
    without = policy.get("without", [])
    if not isinstance(without, list):
        yield ("without",), "must be a list of rules' names, as in `[first, second]`"
    for place, left_out in enumerate(_listed(without)):
        if left_out not in known:
            yield ("without", place), f"{yaml_lines.shown(left_out)} {has}"
    rules = policy.get("rules", [])
    for place, rule in enumerate(rules if isinstance(rules, list) else []):
        own = _name(rule)
        if own is not None and "rate" not in rule and own not in known:
            yield (
                ("rules", place, "name"),
                f"{yaml_lines.shown(own)} {has}; name a `rate` to add a rule",
            )


def _name(rule: Any) -> str | None:
    name = rule.get("name") if isinstance(rule, dict) else None
    return name if isinstance(name, str) else None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
