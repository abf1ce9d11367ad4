"""A policy book as a file that people read: a line a rule, and above it what there is to note."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from textwrap import wrap
from typing import Any

from andon.alert_text import clean
from andon.policy import SHARES, Policy, PolicyBook, Rule
from andon.yaml_lines import flow

_COMMENT = 96


def policy_text(
    book: PolicyBook,
    head: Sequence[str] = (),
    notes: Callable[[Policy, Rule], Sequence[str]] = lambda *_: (),
) -> str:
    """YAML that `andon.policy_file` reads; `head` and `notes` become comments.

    Presets are written out, and what goes without saying is not.
    """
    return "\n".join([*_comments(head, ""), *_lines(book, notes), ""])


def _lines(book: PolicyBook, notes: Callable[[Policy, Rule], Sequence[str]]) -> Iterator[str]:
    yield "version: 1"
    if auto_pause := book.auto_pause.model_dump(mode="json", exclude_defaults=True):
        yield f"auto_pause: {flow(auto_pause)}"
    yield "policies:"
    for policy in book.policies:
        fields = json.loads(policy.to_json())
        fields.pop("rules", None)
        yield f"  - name: {flow(fields.pop('name'))}"
        for name, value in fields.items():
            if name in ("match", "breaker", "mode"):
                yield f"    {name}: {flow(_single(value))}"
        yield "    rules:" if policy.rules else "    rules: []"
        for rule in policy.rules:
            yield from _comments(notes(policy, rule), "      ")
            yield f"      - {flow(_single(_rule(rule)))}"
        for name, value in fields.items():
            if name not in ("match", "breaker", "mode"):
                yield f"    {name}: {flow(value)}"


def _rule(rule: Rule) -> dict[str, Any]:
    fields = json.loads(rule.model_dump_json(exclude_defaults=True))
    for name in ("above", "at_least"):
        if isinstance(bound := fields.get(name), float):
            fields[name] = _bound(rule, bound)
    return dict(fields)


def _bound(rule: Rule, bound: float) -> float | int | str:
    percent = f"{bound * 100:.10g}"
    if rule.rate in SHARES and "e" not in percent and float(percent) / 100 == bound:
        return f"{percent}%"
    return int(bound) if bound.is_integer() else bound


def _single(value: Any) -> Any:
    """Lists of one glob as people write them."""
    if isinstance(value, dict):
        return {name: _single(part) for name, part in value.items()}
    if isinstance(value, list):
        return value[0] if len(value) == 1 and isinstance(value[0], str) else [*map(_single, value)]
    return value


def _comments(paragraphs: Sequence[str], indent: str) -> Iterator[str]:
    for paragraph in paragraphs:
        hanging = "  " if paragraph.startswith("- ") else ""
        width = _COMMENT - len(indent)
        for line in wrap(clean(paragraph), width, subsequent_indent=hanging) or [""]:
            yield f"{indent}# {line}".rstrip()
