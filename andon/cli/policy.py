"""`andon policy`: check policies before they take effect, and see what they say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from andon.cli.options import Json, Servers, failure
from andon.cli.policy_topic import File, diff, list_policies, mistakes, pull, push
from andon.cli.progress import reading
from andon.errors import AndonError, FileError, PolicyError, Problem
from andon.globs import matches
from andon.log_files import read_blocks, size_of
from andon.policy import Policy, PolicyBook

if TYPE_CHECKING:
    from streams.seen import Seen

app = typer.Typer(name="policy", help="Check, show and publish policies.", no_args_is_help=True)


@app.callback()
def policy() -> None:
    """Check, show and publish policies."""


@app.command()
def check(
    file: File,
    against_broker: Annotated[
        bool,
        typer.Option("--against-broker", help="Look at how long it keeps events, and at some."),
    ] = False,
    log: Annotated[
        list[str] | None, typer.Option(help="Events in a file, to hold globs against. Repeatable.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Take warnings for mistakes.")] = False,
    as_json: Json = False,
    bootstrap_servers: Servers = None,
) -> None:
    """Tell every mistake in a policy file, and what is likely to be one.

    How long events are kept is what ANDON_EVENTS_RETENTION_DAYS says, or what the broker says.
    Exit status: 0 it can be used, 1 it has mistakes, 2 a file or the broker cannot be read.
    """
    from andon.policy_file import draft_policies, read_policies
    from streams.policy_check import problems_of
    from streams.seen import Seen, see_newest
    from streams.settings import load_settings
    from streams.topics import events_kept_s

    seen = Seen()
    try:
        settings = load_settings(
            **{"bootstrap_servers": bootstrap_servers} if bootstrap_servers else {}
        )
        text = read_policies(file)
        kept_s: int | None = settings.events_kept_s
        if against_broker:
            kept_s = events_kept_s(settings.bootstrap_servers)
            asyncio.run(see_newest(seen, settings.bootstrap_servers))
        _read_logs(log or [], seen)
    except AndonError as error:
        raise failure("policy", error, 2) from error
    try:
        draft = draft_policies(text, str(file))
    except PolicyError as error:
        problems = list(error.problems)
    else:
        problems = problems_of(draft, kept_s, seen.known)
    valid = all(problem.warning and not strict for problem in problems)
    _tell_problems(file, problems, valid, seen.events, as_json)
    raise typer.Exit(0 if valid else 1)


@app.command()
def show(
    file: File,
    workflow: Annotated[str | None, typer.Option(help="Only what watches its events.")] = None,
    automation: Annotated[str | None, typer.Option(help="Only what watches its events.")] = None,
    capability: Annotated[str | None, typer.Option(help="Only what watches such events.")] = None,
    as_json: Json = False,
) -> None:
    """Print the policies as they take effect, presets written out.

    Of a workflow, automation and capability it prints the policy that watches their events; where
    one is not named, all policies that may. Exit status: 0, 1 no policy does, 2 a bad file.
    """
    from andon.policy_file import load_policies
    from andon.policy_text import policy_text

    try:
        book = load_policies(file)
    except FileError as error:
        raise mistakes(error, 2) from error
    event = {"workflow": workflow, "automation": automation, "capability": capability}
    policies = tuple(_watching(book, event))
    if not policies:
        typer.echo("andon policy: no policy matches: nothing watches such events", err=True)
        raise typer.Exit(1)
    book = PolicyBook(version=1, policies=policies, auto_pause=book.auto_pause)
    as_data = book.model_dump(mode="json", exclude_defaults=True)
    typer.echo(json.dumps(as_data, indent=2) if as_json else policy_text(book).rstrip())


app.command()(push)
app.command()(pull)
app.command("list")(list_policies)
app.command()(diff)


def _watching(book: PolicyBook, event: dict[str, str | None]) -> Iterator[Policy]:
    """The policies that may watch such an event, up to the first that takes all of them."""
    if not any(event.values()):
        yield from book.policies
        return
    for policy in book.policies:
        globs = {field: getattr(policy.match, field) for field in event}
        if all(value is None or matches(globs[field], value) for field, value in event.items()):
            yield policy
            if all(value is not None or "*" in globs[field] for field, value in event.items()):
                return


def _read_logs(files: list[str], seen: Seen) -> None:
    with reading("Events", size_of(files)) as told:
        for name in files:
            for values in read_blocks(name, told):
                seen.add(values)


def _tell_problems(
    file: Path, problems: list[Problem], valid: bool, events: int, as_json: bool
) -> None:
    if as_json:
        found = [problem._asdict() for problem in problems]
        told = {"file": str(file), "valid": valid, "problems": found, "events_seen": events}
        typer.echo(json.dumps(told, indent=2))
        return
    for problem in problems:
        typer.echo(problem)
    warnings = sum(problem.warning for problem in problems)
    parts = [f"{len(problems) - warnings} mistakes", f"{warnings} warnings"]
    typer.echo(f"{file}: {', '.join(parts)}; globs were held against {events:,} events")
