"""`andon approvals`: what people are asked, and what they answer."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any, Literal

import typer

from andon.alert_text import clean
from andon.cli.options import Json, Servers, User, Why, failure, keys_of, servers_of, user_of
from andon.cli.tables import show_rows
from andon.errors import AndonError
from andon.signing import Keys

app = typer.Typer(name="approvals", help="See and answer what guards ask.", no_args_is_help=True)
RequestId = Annotated[
    str, typer.Argument(metavar="REQUEST", help="Its id, or the beginning or end of it.")
]
_HEADS = ("Request", "Standing", "Workflow", "Action", "Amount", "Missing", "Left", "Why")


@app.callback()
def approvals() -> None:
    """See and answer what guards ask."""


@app.command("list")
def list_requests(
    workflow: Annotated[str | None, typer.Option(help="Only of this workflow.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Those that are settled as well.")
    ] = False,
    as_json: Json = False,
    bootstrap_servers: Servers = None,
) -> None:
    """List what waits for people, oldest first.

    Exit status: 0; 2 no broker.
    """
    servers, keys = servers_of("approvals list", bootstrap_servers), keys_of("approvals list")
    try:
        rows, unreadable = asyncio.run(_requests(servers, keys))
    except AndonError as error:
        raise failure("approvals list", error, 2) from error
    for line in unreadable:
        typer.echo(clean(f"andon approvals list: skipped a record: {line}"), err=True)
    rows = [
        row
        for row in rows
        if workflow in (None, row["workflow"])
        and (everything or row["standing"] in ("pending", "approved"))
    ]
    if as_json:
        typer.echo(json.dumps({"requests": rows}, indent=2))
    elif not rows:
        typer.echo("Nothing waits for people.")
    else:
        show_rows(_HEADS, list(map(_cells, rows)))


@app.command()
def show(request: RequestId, as_json: Json = False, bootstrap_servers: Servers = None) -> None:
    """Show one question whole: the arguments, why people are asked, what a rehearsal gave.

    Exit status: 0; 1 there is no such request; 2 no broker.
    """
    servers, keys = servers_of("approvals show", bootstrap_servers), keys_of("approvals show")
    try:
        rows, _ = asyncio.run(_requests(servers, keys))
    except AndonError as error:
        raise failure("approvals show", error, 2) from error
    found = [
        row
        for row in rows
        if row["request_id"].startswith(request) or row["request_id"].endswith(request)
    ]
    if not found:
        raise failure("approvals show", f"nobody has asked for {request}", 1)
    for row in found:
        typer.echo(json.dumps(row, indent=2) if as_json else _whole(row))


@app.command()
def approve(
    request: RequestId,
    reason: Why,
    user: User = None,
    as_json: Json = False,
    bootstrap_servers: Servers = None,
) -> None:
    """Let one action run, once, with exactly the arguments that were asked for; or let a workflow
    go that takes two people, at once.

    Exit status: 0 done, 1 there is no such request or the answer does not count, 2 bad input or
    no broker.
    """
    _answer("approve", request, reason, user, as_json, bootstrap_servers)


@app.command()
def deny(
    request: RequestId,
    reason: Why,
    user: User = None,
    as_json: Json = False,
    bootstrap_servers: Servers = None,
) -> None:
    """Have one action not run, also one that was approved and has not run yet.

    Exit status: 0 done, 1 there is no such request or the answer does not count, 2 bad input or
    no broker.
    """
    _answer("deny", request, reason, user, as_json, bootstrap_servers)


def _answer(
    verdict: Literal["approve", "deny"],
    request: str,
    reason: str,
    user: str | None,
    as_json: bool,
    bootstrap_servers: str | None,
) -> None:
    from streams.approvals import ApprovalError, shown
    from streams.reopening import answer

    command = f"approvals {verdict}"
    servers = servers_of(command, bootstrap_servers)
    try:
        order = answer(servers, request, verdict, reason, user_of(user), keys_of(command))
        row = shown(asyncio.run(order))
    except ApprovalError as error:
        raise failure(command, error, 1) from error
    except (AndonError, ValueError) as error:
        raise failure(command, error, 2) from error
    if as_json:
        typer.echo(json.dumps(row, indent=2))
        return
    more = ", another person has to approve it as well" if row["missing"] else ""
    standing = "pending" if more else row["standing"]
    typer.echo(
        clean(f"{row['request_id']} ({row['action']} of {row['workflow']}): {standing}{more}")
    )


async def _requests(servers: str, keys: Keys) -> tuple[list[dict[str, Any]], list[str]]:
    from andon.approvals import Ask
    from streams.approvals import open_requests, shown

    async with open_requests(servers, keys.verifier) as requests:
        asked = (each for each in requests.log.requests.values() if isinstance(each.order, Ask))
        return [shown(each) for each in asked], requests.unreadable


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    minutes, seconds = divmod(row["expires_in_s"], 60)
    open_still = row["standing"] in ("pending", "approved")
    cells = (
        row["request_id"],
        row["standing"],
        row["workflow"],
        row["action"] + (f" {row['target']}" if row["target"] else ""),
        _amount(row),
        str(row["missing"]) if open_still else "-",
        f"{minutes}m {seconds:02d}s" if open_still else "-",
        "; ".join(row["reasons"]),
    )
    return tuple(map(clean, cells))


def _amount(row: dict[str, Any]) -> str:
    amounts = []
    if row["value"] is not None:
        amounts.append(f"{row['value']:,.2f} {row['currency'] or ''}".strip())
    if row["recipients"] is not None:
        amounts.append(f"{row['recipients']:,} recipients")
    return ", ".join(amounts) or "-"


def _whole(row: dict[str, Any]) -> str:
    told = {
        "Request": f"{row['request_id']}: {row['standing']}",
        "Action": f"{row['action']} of {row['workflow']}, by {row['issued_by']}",
        "Target": row["target"],
        "Amount": _amount(row),
        "Arguments": row["arguments"],
        "Why asked": "; ".join(row["reasons"]),
        "Rehearsed": row["rehearsed"],
        "People": f"{row['people']} have to approve, {row['missing']} missing",
        "Answers": "; ".join(row["answers"]) or None,
        "Not counted": "; ".join(row["refused"]) or None,
        "Used by": row["used_by"],
        "Expires": f"in {row['expires_in_s']} s" if row["expires_in_s"] else "has expired",
    }
    return "\n".join(f"{head:<12} {clean(text)}" for head, text in told.items() if text)
