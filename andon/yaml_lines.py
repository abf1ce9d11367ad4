"""YAML that people write, checked against a pydantic model: every mistake is told with its line."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from andon.errors import FileError, Problem

Path_ = tuple[str | int, ...]
Misuse = tuple[Path_, str]
"""Where, and what is wrong there."""
Expanded = tuple[dict[str, Any], list[Misuse]]
Mend = Callable[[dict[str, Any], list[Path_], dict[Path_, str | None]], dict[str, Any]]
"""Of a document, the fields that are wrong, and those that nobody knows with what they may mean:
one without these mistakes."""

_NAMED = re.compile(r"[a-z_]+: ")
_UNKNOWN = "extra_forbidden"
_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxlong = 60
_SHOWN.maxlevel = 2
_PLAIN = {
    "model_type": "must be a mapping, as in `field: value`",
    "dict_type": "must be a mapping, as in `field: value`",
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
    mend: Mend | None = None  # takes known mistakes out, for a second look


def read(text: str) -> Any:
    """What a YAML text says, unchecked: for files of our own."""
    return yaml.safe_load(text)


class _Dumper(yaml.SafeDumper):
    """Writes what is no plain word in double quotes, on one line."""


def _word(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = re.fullmatch(r"[\w.*/@%-][\w.*/@% -]*", text, re.ASCII)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _word)


class Draft(NamedTuple):
    """A file whose text is YAML, before its model has checked it."""

    file: str
    data: dict[str, Any]
    lines: Mapping[Path_, int]
    problems: tuple[Problem, ...]

    def problem(self, at: Path_, message: str, *, warning: bool = False) -> Problem:
        """A problem at a place in the document."""
        return Problem(self.file, _line(self.lines, at), _field(at), message, warning)

    def located(self, problem: Problem) -> Problem:
        """A problem that knows its field alone, with this file and the field's line."""
        line = next((line for at, line in self.lines.items() if _field(at) == problem.field), 1)
        return problem._replace(file=self.file, line=line)


def flow(value: Any) -> str:
    """A value on one line, as people write it."""
    text = yaml.dump(
        *(value, None, _Dumper),
        default_flow_style=True,
        sort_keys=False,
        width=1 << 20,
        allow_unicode=True,
    )
    return str(text).removesuffix("\n").removesuffix("\n...")


def load(path: str | Path, model: type[M], format_: Format) -> M:
    """Read and check a file.

    Raises:
        FileError: of the format's own kind, with every mistake: file, line, field, what to do.
    """
    return check(draft_of(read_text(path, format_), str(path), format_), model, format_)


def read_text(path: str | Path, format_: Format) -> str:
    """The text of a file. Raises FileError."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise format_.error([Problem(str(path), 1, "file", f"cannot be read: {error}")]) from None


def draft_of(text: str, file: str, format_: Format) -> Draft:
    """Read a text; `file` is the name that problems carry.

    Raises:
        FileError: the text is no YAML, or no mapping.
    """
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
    return Draft(file, data, lines, tuple(problems))


def check(draft: Draft, model: type[M], format_: Format) -> M:
    """What a draft says. Raises FileError with every mistake."""
    problems = list(draft.problems)
    try:
        checked = model.model_validate(draft.data)
    except ValidationError as error:
        problems += _mistakes(draft, error.errors(include_url=False), format_)
        problems += _behind(draft, error, model, format_)
    if problems:
        each = dict.fromkeys(problems)
        raise format_.error(sorted(each, key=lambda problem: problem.line))
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


def _mistakes(draft: Draft, entries: Iterable[Any], format_: Format) -> Iterator[Problem]:
    for entry in entries:
        at: Path_ = tuple(entry["loc"])
        texts = _across(entry)
        for text in texts:
            field, _, message = text.partition(": ")
            yield draft.problem((*at, field), message)
        if not texts:
            yield draft.problem(at, _message(entry, format_.known))


def _behind(
    draft: Draft, error: ValidationError, model: type[BaseModel], format_: Format
) -> Iterator[Problem]:
    """The mistakes that a check across fields finds once each field for itself is right."""
    if format_.mend is None:
        return
    wrong: list[Path_] = []
    unknown: dict[Path_, str | None] = {}
    for entry in error.errors(include_url=False):
        at: Path_ = tuple(entry["loc"])
        if entry["type"] == _UNKNOWN:
            unknown[at] = _nearest(str(at[-1]), format_.known)
        elif not _across(entry):
            wrong.append(at)
    try:
        model.model_validate(format_.mend(draft.data, wrong, unknown))
    except ValidationError as behind:
        told = set(wrong)  # and taken out, so that some of them are missing now
        entries = behind.errors(include_url=False)
        news = [entry for entry in entries if tuple(entry["loc"]) not in told]
        yield from _mistakes(draft, [e for e in news if e["type"] != _UNKNOWN], format_)


def _across(entry: Any) -> list[str]:
    """What a check across fields says, which names the field itself: `field: what to do`."""
    texts = str(entry["msg"]).removeprefix("Value error, ").split("\n")
    across = entry["type"] == "value_error" and isinstance(entry["input"], dict)
    return texts if across and all(map(_NAMED.match, texts)) else []


def _message(entry: Any, known: Collection[str]) -> str:
    if entry["type"] == "missing":
        return "is required"
    if entry["type"] == _UNKNOWN:
        return _unknown(str(entry["loc"][-1]), known)
    message = str(_PLAIN.get(entry["type"], entry["msg"])).removeprefix("Value error, ")
    return f"{message[0].lower()}{message[1:]}, got {shown(entry['input'])}"


def _unknown(field: str, known: Collection[str]) -> str:
    if field in known:
        return "does not belong here; remove it"
    near = _nearest(field, known)
    return "is not a known field" + (f"; did you mean {near!r}?" if near else "; remove it")


def _nearest(field: str, known: Collection[str]) -> str | None:
    return next(iter(difflib.get_close_matches(field, sorted(known), n=1)), None)


def _field(at: Path_) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in at)
    return text.removeprefix(".") or "file"


def _line(lines: Mapping[Path_, int], at: Path_) -> int:
    while at and at not in lines:
        at = at[:-1]
    return lines.get(at, 1)
