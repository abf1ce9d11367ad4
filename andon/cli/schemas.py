"""`andon schemas`: write the contract's JSON Schemas and its AsyncAPI document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from andon.cli.options import Json, failure
from andon.cli.tables import tell
from andon.schemas import documents, stale, write

app = typer.Typer(name="schemas")


@app.callback(invoke_without_command=True)
def schemas(
    out: Annotated[Path, typer.Option(help="The folder to write to.")] = Path("schemas"),
    check: Annotated[bool, typer.Option("--check", help="Only compare; write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Write the contract as JSON Schemas, AsyncAPI and OpenAPI.

    Exit status: 0 written, or all as they should be; 1 some are stale; 2 cannot be written.
    """
    contract = every_document()
    if not check:
        try:
            write(out, contract)
        except OSError as error:
            raise failure("schemas", f"cannot write to {out}: {error.strerror}", 2) from error
        text = f"{len(contract)} documents written to {out}"
        tell({"written": sorted(contract)}, text, as_json=as_json)
        return
    old = stale(out, contract)
    if as_json:
        typer.echo(json.dumps({"stale": old}))
    for name in () if as_json else old:
        typer.echo(f"{out / name}: stale; write it anew with `andon schemas --out {out}`")
    raise typer.Exit(1 if old else 0)


def every_document() -> dict[str, Any]:
    """Those of the records, and the API's own, by file name."""
    from api.app import make_app
    from api.settings import ApiSettings
    from streams.settings import Settings

    api = make_app(ApiSettings(host="127.0.0.1"), Settings())
    return documents() | {"openapi.json": api.openapi()}
