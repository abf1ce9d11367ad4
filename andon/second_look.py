"""A policy document without its known mistakes, so that a second look finds those behind them.

A check across the fields of a rule waits until each field is right. People should hear of all
mistakes at once.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from andon.yaml_lines import Path_

_STAND_INS: dict[str, Any] = {"over": "1h", "above": 0.05, "at_least": 0.05}
_OF_A_RATE: dict[str, Any] = {"currency": "USD", "same": ["action"]}
_OF_A_LIMIT: dict[str, Any] = {
    "value": 1,
    "currency": "USD",
    "recipients": 1,
    "actions": 1,
    "over": "1h",
    "where": {},
    "then": "review",
    "people": 1,
}
_PART = 3
"""A path such as ("policies", 0, "rules", 1, "over") names a part of a policy in three steps."""


def mended(
    document: dict[str, Any], wrong: Iterable[Path_], unknown: Mapping[Path_, str | None]
) -> Any:
    """A copy of a document in which nothing is left that these paths lead to.

    Args:
        document: policies, as YAML says them.
        wrong: the fields with a wrong value, or that are missing.
        unknown: the fields that nobody knows, with the one that each may mean.
    """
    document = copy.deepcopy(document)
    for at, meant in unknown.items():
        holder = _holder(document, at)
        value = holder.pop(at[-1], None)
        if meant is not None:
            holder.setdefault(meant, value)
    rules: dict[Path_, set[Any]] = {}
    limits: dict[Path_, set[Any]] = {}
    for at in wrong:
        part, item, field = at[:_PART], at[: _PART + 1], at[_PART + 1 : _PART + 2]
        if part[_PART - 1 :] == ("rules",) and item != part:
            rules.setdefault(item, set()).update(field)
        elif part[_PART - 1 :] == ("limits",) and item != part:
            limits.setdefault(item, set()).update(field)
        elif len(part) == _PART:
            _holder(document, part).pop(part[-1], None)
    for at, fields in rules.items():
        items = _holder(document, at)
        items[at[-1]] = _reduced(items[at[-1]], fields)
        # Whether a rule needs it cannot be told any more.
        _holder(document, at[:_PART]).pop("convert", None)
    for at, fields in limits.items():
        items = _holder(document, at)
        items[at[-1]] = _right_limit(items[at[-1]], fields)
    return document


def _reduced(rule: Any, wrong: set[Any]) -> Any:
    """What can be judged of a rule whatever its wrong fields were meant to say."""
    if not isinstance(rule, dict):
        return rule
    kept = {"name": rule.get("name"), "over": "1h"}
    stand_ins = dict(_STAND_INS)
    if "rate" in rule and "rate" not in wrong:
        kept["rate"] = rule["rate"]
        stand_ins |= _OF_A_RATE
    else:
        kept["rate"] = "volume"
    for field, stand_in in stand_ins.items():
        if field in rule:
            kept[field] = stand_in if field in wrong else rule[field]
    return kept


def _right_limit(limit: Any, wrong: set[Any]) -> Any:
    if not isinstance(limit, dict):
        return {"recipients": 1}
    return limit | {field: _OF_A_LIMIT[field] for field in wrong & _OF_A_LIMIT.keys()}


def _holder(document: Any, at: Path_) -> Any:
    for step in at[:-1]:
        document = document[step]
    return document
