"""`andon schemas`: write the contract's JSON Schemas and its AsyncAPI document."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from andon.schemas import documents, stale, write

app = typer.Typer(name="schemas", help="Write the contract as JSON Schemas and AsyncAPI.")


@app.callback(invoke_without_command=True)
def schemas(
    out: Annotated[Path, typer.Option(help="The folder to write to.")] = Path("schemas"),
    check: Annotated[bool, typer.Option("--check", help="Only compare; write nothing.")] = False,
) -> None:
    """Write the contract as JSON Schemas and AsyncAPI.

    Exit status: 0 written, or all as they should be; 1 some are stale; 2 cannot be written.
    """
    if not check:
        try:
            write(out)
        except OSError as error:
            typer.echo(f"andon schemas: cannot write to {out}: {error.strerror}", err=True)
            raise typer.Exit(2) from error
        typer.echo(f"{len(documents())} documents written to {out}")
        return
    old = stale(out)
    for name in old:
        typer.echo(f"{out / name}: stale; write it anew with `andon schemas --out {out}`")
    raise typer.Exit(1 if old else 0)
