"""Reading a policy file, so that every mistake in it is told with its line."""

from __future__ import annotations

from pathlib import Path

from andon import yaml_lines
from andon.errors import PolicyError
from andon.extends import expand, preset
from andon.policy import (
    PRESETS,
    Alerting,
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

_FORMAT = yaml_lines.Format(
    PolicyError,
    yaml_lines.field_names(
        PolicyBook, Policy, Match, Rule, Where, Limit, Scope, Recover, Trial, Alerting
    )
    | {"extends", "without"},
    "`version: 1` and `policies:`",
    expand,
)


def load_policies(path: str | Path) -> PolicyBook:
    """Read and check a policy file (YAML).

    Raises:
        PolicyError: with every mistake found: file, line, field, and what to do about it.
    """
    return yaml_lines.load(path, PolicyBook, _FORMAT)


def parse_policies(text: str, file: str = "policy") -> PolicyBook:
    """The same for a text; `file` is the name that problems carry."""
    return yaml_lines.parse(text, file, PolicyBook, _FORMAT)


def load_presets() -> PolicyBook:
    """All presets as one book: each watches the actions of its capability."""
    return PolicyBook.model_validate({"version": 1, "policies": list(map(preset, PRESETS))})
