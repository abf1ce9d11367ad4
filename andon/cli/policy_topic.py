"""`andon policy push`, `pull`, `list` and `diff`: the policies that the broker holds."""

from __future__ import annotations

import asyncio
import difflib
import json
import logging
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from andon.alert_text import clean
from andon.cli.options import Json, Servers, User, failure, servers_of, user_of
from andon.cli.tables import show_rows, tell
from andon.errors import AndonError, FileError, PolicyError
from andon.policy import Policy, PolicyBook
from andon.policy_topic import PolicyTable, differences, with_others

if TYPE_CHECKING:
    from andon.yaml_lines import Draft

File = Annotated[Path, typer.Argument(help="Policy file.")]
NONE = "the broker holds no policies; run `andon policy push FILE`"
T = TypeVar("T")


def push(
    file: File,
    prune: Annotated[
        bool, typer.Option("--prune", help="Take out what the broker holds and FILE does not.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it there.")] = False,
    user: User = None,
    as_json: Json = False,
    bootstrap_servers: Servers = None,
) -> None:
    """Check a policy file, then let the broker hold its policies, for monitors and guards.

    What the broker holds and FILE does not is asked about on a terminal. Exit status: 0 the broker
    holds them, 1 they have mistakes, or --prune or --keep is needed, 2 no broker or no such file.
    """
    from andon.policy_file import draft_of_book
    from streams import policy_topic

    servers = servers_of("policy push", bootstrap_servers)
    book = _checked(_draft("push", file), servers)
    table = _done("push", policy_topic.held(servers))
    others = sorted(table.held.keys() - {policy.name for policy in book.policies})
    before = _whole(table)
    if others and not _prunes(others, prune, keep):
        if before is None:
            raise failure("policy push", "what the broker holds is no whole book: use --prune", 1)
        book = _checked(draft_of_book(with_others(book, before), str(file)), servers)
    if before != book:
        _done("push", policy_topic.push(servers, book, user_of(user)))
    found = differences(before, book)
    told = {"policies": book.fingerprint, "previous": before and before.fingerprint}
    tell(told | found._asdict(), f"{book.fingerprint}: {found}", as_json=as_json)


def pull(
    out: Annotated[Path | None, typer.Option(help="Write there, not to standard output.")] = None,
    as_json: Json = False,
    bootstrap_servers: Servers = None,
) -> None:
    """Print the policies that the broker holds, as a policy file.

    Exit status: 0, 1 it holds none that can be used, 2 no broker, or the file cannot be written.
    """
    from andon.policy_text import policy_text

    book = _held("pull", bootstrap_servers)
    text = json.dumps(_data(book), indent=2) + "\n" if as_json else policy_text(book)
    try:
        if out is None:
            typer.echo(text, nl=False)
        else:
            out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise failure("policy pull", error, 2) from error


def list_policies(as_json: Json = False, bootstrap_servers: Servers = None) -> None:
    """List the policies that the broker holds, in the order in which they are tried.

    Exit status: 0, 1 it holds none that can be used, 2 no broker.
    """
    book = _held("list", bootstrap_servers)
    if as_json:
        rows = [_row(policy) for policy in book.policies]
        typer.echo(json.dumps({"policies": book.fingerprint, "held": rows}, indent=2))
        return
    cells = [list(map(clean, map(str, _row(policy).values()))) for policy in book.policies]
    show_rows(("Policy", "Version", "Mode", "Rules", "Workflow", "Automation", "Capability"), cells)


def diff(file: File, as_json: Json = False, bootstrap_servers: Servers = None) -> None:
    """Tell what pushing a policy file would change.

    Exit status: 0 nothing, 1 something, 2 no broker, or the file cannot be used.
    """
    from andon.policy_file import load_policies
    from andon.policy_text import policy_text
    from streams import policy_topic

    servers = servers_of("policy diff", bootstrap_servers)
    try:
        book = load_policies(file)
    except PolicyError as error:
        raise mistakes(error, 2) from error
    before = _whole(_done("diff", policy_topic.held(servers)))
    if as_json:
        typer.echo(json.dumps(differences(before, book)._asdict(), indent=2))
    else:
        old, new = (policy_text(each).splitlines() if each else [] for each in (before, book))
        for line in difflib.unified_diff(old, new, "held by the broker", str(file), lineterm=""):
            typer.echo(line)
    raise typer.Exit(int(before != book))


def _draft(command: str, file: Path) -> Draft:
    from andon.policy_file import draft_policies, read_policies

    try:
        text = read_policies(file)
    except PolicyError as error:
        raise mistakes(error, 2) from error
    try:
        return draft_policies(text, str(file))
    except PolicyError as error:
        raise mistakes(error, 1) from error


def _checked(draft: Draft, servers: str) -> PolicyBook:
    """The policies of a draft; ends the command where there are mistakes in it."""
    from andon.policy_file import check_policies
    from streams.policy_check import problems_of
    from streams.topics import events_kept_s

    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # one message says what people can do
    try:
        problems = problems_of(draft, events_kept_s(servers))
    except AndonError as error:
        raise failure("policy push", error, 2) from error
    told = mistakes(PolicyError(problems), 1)
    if not all(problem.warning for problem in problems):
        raise told
    return check_policies(draft)


def _prunes(others: list[str], prune: bool, keep: bool) -> bool:
    """Whether policies that the broker holds and the file does not are to go."""
    if prune or keep:
        return prune
    named = clean(", ".join(others))
    if sys.stdin.isatty():
        return typer.confirm(f"The broker also holds {named}. Take them out?", err=True)
    text = f"the broker also holds {named}: --prune takes them out, --keep leaves them there"
    raise failure("policy push", text, 1)


def _held(command: str, given: str | None) -> PolicyBook:
    """What the broker holds; ends the command where that is nothing, or of no use."""
    from streams import policy_topic

    servers = servers_of(f"policy {command}", given)
    try:
        book = _done(command, policy_topic.held(servers)).book()
    except PolicyError as error:
        raise mistakes(error, 1) from error
    if book is None:
        raise failure(f"policy {command}", NONE, 1)
    return book


def mistakes(error: FileError, status: int) -> typer.Exit:
    """Say what is wrong with a file, a line a mistake; to be raised."""
    for problem in error.problems:
        typer.echo(clean(str(problem)), err=True)
    return typer.Exit(status)


def _whole(table: PolicyTable) -> PolicyBook | None:
    try:
        return table.book()
    except PolicyError:
        return None


def _done(command: str, order: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(order)
    except PolicyError as error:
        raise mistakes(error, 1) from error
    except (AndonError, ValueError) as error:
        raise failure(f"policy {command}", error, 2) from error


def _row(policy: Policy) -> dict[str, Any]:
    match = {field: ", ".join(globs) for field, globs in policy.match if globs}
    about = {"name": policy.name, "version": policy.version, "mode": policy.mode}
    return about | {"rules": len(policy.rules)} | match


def _data(book: PolicyBook) -> dict[str, Any]:
    return book.model_dump(mode="json", exclude_defaults=True)
