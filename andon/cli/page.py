"""The page of all commands, docs/cli.md, made from what `--help` says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from andon.cli.commands import app

Runnable = TyperCommand | TyperGroup
PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
HEAD = """\
# The command line

Made from `andon COMMAND --help` by `python -m andon.cli.page`.

On a terminal commands print tables, elsewhere plain columns. With `--json` they print the same
facts for programs: one object, or one a line where the description says so. What goes wrong is told
on standard error. Nothing asks a question where standard input is no terminal.

| status | means |
|---|---|
| 0 | done, or all is well |
| 1 | it was found wanting, refused, or there is no such thing: look at what it says |
| 2 | it could not be tried: wrong usage, a file or a setting that cannot be used, no broker |
| 3 | nothing was done yet: another person has been asked to approve |

`andon doctor` ends with 1 where something is missing and 2 where something does not work; Ctrl-C
ends what runs on with 0, and `andon demo` with 130.
"""
STATUS = re.compile(r"\s*Exit status: (.*?)\.?\s*$", re.DOTALL)


def commands() -> Iterator[tuple[str, Runnable]]:
    """Everything that can be run, by its whole name, in the order of `--help`."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    yield from _within("andon", root)


def options(command: Runnable) -> list[str]:
    """The options of a command, without those that every command has."""
    return [
        max(parameter.opts, key=len)
        for parameter in command.params
        if isinstance(parameter, TyperOption) and parameter.name != "help"
    ]


def page() -> str:
    """The text of docs/cli.md."""
    return HEAD + "".join(_section(name, command) for name, command in commands())


def status_of(command: Runnable) -> str | None:
    """What its help says of the exit status."""
    found = STATUS.search(command.help or "")
    return " ".join(found[1].split()) if found else None


def _within(name: str, group: TyperGroup) -> Iterator[tuple[str, Runnable]]:
    for each, command in group.commands.items():
        assert isinstance(command, Runnable)
        whole = f"{name} {each}"
        if not isinstance(command, TyperGroup):
            yield whole, command
            continue
        if command.invoke_without_command:
            yield whole, command
        yield from _within(whole, command)


def _section(name: str, command: Runnable) -> str:
    arguments = [
        parameter.metavar or str(parameter.name).upper()
        for parameter in command.params
        if isinstance(parameter, TyperArgument)
    ]
    said = " ".join(STATUS.sub("", command.help or "").split())
    told = ", ".join(f"`{option}`" for option in options(command))
    parts = [f"\n## `{' '.join([name, *arguments])}`\n\n{said}\n"]
    parts += [f"\nOptions: {told}.\n"] if told else []
    parts += [f"\nExit status: {status_of(command)}.\n"]
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
