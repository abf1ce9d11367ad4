"""YAML that people write, checked against a pydantic model: every mistake is told with its line."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from andon.errors import FileError, Problem

Path_ = tuple[str | int, ...]
Misuse = tuple[Path_, str]
"""Where, and what is wrong there."""
Expanded = tuple[dict[str, Any], list[Misuse]]

_NAMED = re.compile(r"[a-z_]+: ")
_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxlong = 60
_SHOWN.maxlevel = 2
_PLAIN = {
    "model_type": "must be a mapping, as in `field: value`",
    "tuple_type": "must be a list, as in `[first, second]`",
}
"""Messages of pydantic that speak of Python, in the words of YAML."""
M = TypeVar("M", bound=BaseModel)


def _as_it_is(document: dict[str, Any]) -> Expanded:
    return document, []


class Format(NamedTuple):
    """What a kind of file is, for its messages."""

    error: type[FileError]
    known: Collection[str]  # every field name, to guess what a misspelt one meant
    start: str  # the top of the file, as in "`version: 1` and `policies:`"
    expand: Callable[[dict[str, Any]], Expanded] = _as_it_is  # before the model checks it


def read(text: str) -> Any:
    """What a YAML text says, unchecked: for files of our own."""
    return yaml.safe_load(text)


def load(path: str | Path, model: type[M], format_: Format) -> M:
    """Read and check a file.

    Raises:
        FileError: of the format's own kind, with every mistake: file, line, field, what to do.
    """
    file = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise format_.error([Problem(file, 1, "file", f"cannot be read: {error}")]) from None
    return parse(text, file, model, format_)


def parse(text: str, file: str, model: type[M], format_: Format) -> M:
    """The same for a text; `file` is the name that problems carry."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        message = getattr(error, "problem", None) or str(error)
        line = mark.line + 1 if mark else 1
        raise format_.error([Problem(file, line, "file", f"is not YAML: {message}")]) from None
    except RecursionError:
        raise format_.error([Problem(file, 1, "file", "is nested too deeply")]) from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        # PyYAML lets through whatever its constructors raise, as for the date 2026-13-45.
        message = f"holds a value that YAML cannot read: {error}"
        raise format_.error([Problem(file, 1, "file", message)]) from None
    lines: dict[Path_, int] = {}
    problems = [
        Problem(file, line, field, "stands twice; keep one of the two")
        for line, field in _walk(root, (), lines, set())
    ]
    if not isinstance(data, dict):
        problems.append(Problem(file, 1, "file", f"must start with {format_.start}"))
        raise format_.error(problems)
    data, misuses = format_.expand(data)
    problems += [Problem(file, _line(lines, at), _field(at), text) for at, text in misuses]
    try:
        checked = model.model_validate(data)
    except ValidationError as error:
        for entry in error.errors(include_url=False):
            problems += _problems(file, lines, dict(entry), format_.known)
        raise format_.error(sorted(set(problems), key=lambda problem: problem.line)) from None
    if problems:
        raise format_.error(sorted(problems, key=lambda problem: problem.line))
    return checked


def shown(value: object) -> str:
    """A value as a message quotes it: short."""
    return _SHOWN.repr(value)


def field_names(*models: type[BaseModel]) -> set[str]:
    """The names that the fields of these models have in a file."""
    return {field.alias or name for model in models for name, field in model.model_fields.items()}


def _walk(
    node: Any, at: Path_, lines: dict[Path_, int], walked: set[int]
) -> Iterator[tuple[int, str]]:
    """Fill `lines` with the line of every path; yield keys that stand twice in one mapping."""
    if node is None:
        return
    lines.setdefault(at, node.start_mark.line + 1)
    if id(node) in walked:  # an alias, which may even lead back into itself
        return
    walked.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk(item, (*at, index), lines, walked)
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                yield line, _field((*at, key.value))
            seen.add(key.value)
            lines[(*at, key.value)] = line
            yield from _walk(value, (*at, key.value), lines, walked)


def _problems(
    file: str, lines: dict[Path_, int], entry: dict[str, Any], known: Collection[str]
) -> Iterator[Problem]:
    at: Path_ = tuple(entry["loc"])
    texts = str(entry["msg"]).removeprefix("Value error, ").split("\n")
    across = entry["type"] == "value_error" and isinstance(entry["input"], dict)
    if across and all(map(_NAMED.match, texts)):
        # A check across fields names its field itself: `field: what to do`, one a line.
        for text in texts:
            field, _, message = text.partition(": ")
            yield Problem(file, _line(lines, (*at, field)), _field((*at, field)), message)
        return
    yield Problem(file, _line(lines, at), _field(at), _message(entry, known))


def _message(entry: dict[str, Any], known: Collection[str]) -> str:
    if entry["type"] == "missing":
        return "is required"
    if entry["type"] == "extra_forbidden":
        return _unknown(str(entry["loc"][-1]), known)
    message = str(_PLAIN.get(entry["type"], entry["msg"])).removeprefix("Value error, ")
    return f"{message[0].lower()}{message[1:]}, got {shown(entry['input'])}"


def _unknown(field: str, known: Collection[str]) -> str:
    if field in known:
        return "does not belong here; remove it"
    near = difflib.get_close_matches(field, sorted(known), n=1)
    return "is not a known field" + (f"; did you mean {near[0]!r}?" if near else "; remove it")


def _field(at: Path_) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in at)
    return text.removeprefix(".") or "file"


def _line(lines: dict[Path_, int], at: Path_) -> int:
    while at and at not in lines:
        at = at[:-1]
    return lines.get(at, 1)
