"""Reading a policy file, so that every mistake in it is told with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from andon import yaml_lines
from andon.errors import PolicyError
from andon.extends import expand, preset
from andon.own_names import told_apart
from andon.policy import (
    PRESETS,
    Alerting,
    AutoPause,
    Backlog,
    Convert,
    Limit,
    Match,
    Policy,
    PolicyBook,
    Recover,
    Rule,
    Scope,
    Trial,
    Where,
)
from andon.second_look import mended


def _prepared(document: dict[str, Any]) -> yaml_lines.Expanded:
    """Every `extends` carried out, and every name that stands twice told apart."""
    document, misuses = expand(document)
    document, twice = told_apart(document)
    return document, [*misuses, *twice]


_FORMAT = yaml_lines.Format(
    PolicyError,
    yaml_lines.field_names(
        *(PolicyBook, AutoPause, Policy, Match, Rule, Where, Convert),
        *(Limit, Scope, Recover, Trial, Backlog, Alerting),
    )
    | {"extends", "without"},
    "`version: 1` and `policies:`",
    _prepared,
    mended,
)


def load_policies(path: str | Path) -> PolicyBook:
    """Read and check a policy file (YAML).

    Raises:
        PolicyError: with every mistake found: file, line, field, and what to do about it.
    """
    return check_policies(draft_policies(read_policies(path), str(path)))


def parse_policies(text: str, file: str = "policy") -> PolicyBook:
    """The same for a text; `file` is the name that problems carry."""
    return check_policies(draft_policies(text, file))


def read_policies(path: str | Path) -> str:
    """The text of a policy file. Raises PolicyError."""
    return yaml_lines.read_text(path, _FORMAT)


def draft_policies(text: str, file: str = "policy") -> yaml_lines.Draft:
    """What a text says, with every `extends` carried out. Raises PolicyError: it is no YAML."""
    return yaml_lines.draft_of(text, file, _FORMAT)


def draft_of_book(book: PolicyBook, file: str) -> yaml_lines.Draft:
    """A book as if `file`, where it is from, said it."""
    return yaml_lines.Draft(file, book.model_dump(mode="json", exclude_defaults=True), {}, ())


def check_policies(draft: yaml_lines.Draft) -> PolicyBook:
    """The policies of a draft. Raises PolicyError with every mistake."""
    return yaml_lines.check(draft, PolicyBook, _FORMAT)


def load_presets() -> PolicyBook:
    """All presets as one book: each watches the actions of its capability."""
    return PolicyBook.model_validate({"version": 1, "policies": list(map(preset, PRESETS))})
