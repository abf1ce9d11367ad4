"""`andon demo`: a night of an AI agent that goes wrong, and is stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from andon.errors import AndonError


def demo(
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write what came of it, one JSON object.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another night.")] = 12,
    speed: Annotated[
        float, typer.Option(min=0.05, max=20, help="2: time passes twice as fast.")
    ] = 1.0,
    log: Annotated[
        Path | None, typer.Option(help="Only write the night as an event log, for a backtest.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Keep the broker's data and all logs in this folder.")
    ] = None,
) -> None:
    """Watch an AI refund agent go wrong one night, and Andon stop it. Takes half a minute.

    Exit status: 0; 1 when the agent was not paused, nobody was told, or a part died; 2 for a
    file that cannot be written; 130 for Ctrl-C.
    """
    try:
        from demo.stage import perform, write_log

        if log:
            write_log(log, seed)
        else:
            perform(seed, speed, json_file, keep)
    except ModuleNotFoundError as error:
        raise _failure(f"needs {error.name!r}: run `make demo` in a checkout", 2) from error
    except OSError as error:
        raise _failure(error, 2) from error
    except AndonError as error:
        raise _failure(error, 1) from error
    except KeyboardInterrupt:
        raise _failure("stopped", 130) from None


def _failure(error: Exception | str, status: int) -> typer.Exit:
    typer.echo(f"andon demo: {error}", err=True)
    return typer.Exit(status)
