"""The command `andon`. Each file here is one command or a group of them."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; exits the process."""
    try:
        from andon.cli.commands import app
    except ModuleNotFoundError as error:
        # An automation installs the SDK alone; the command line comes with the server.
        sys.exit(f"andon: needs {error.name!r}: run it from a checkout, or see README, 'Install'")
    app(prog_name="andon")
