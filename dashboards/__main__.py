"""`python -m dashboards [--check]`: write the dashboard's JSON, or see whether it is stale."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dashboards.andon import render

GENERATED = Path(__file__).parent / "generated" / "andon.json"


def main() -> int:
    """Exit status: 0 written or as it should be, 1 stale."""
    parser = argparse.ArgumentParser(prog="python -m dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare; write nothing")
    if not parser.parse_args().check:
        GENERATED.parent.mkdir(exist_ok=True)
        GENERATED.write_text(render(), encoding="utf-8")
        return 0
    if GENERATED.is_file() and GENERATED.read_text(encoding="utf-8") == render():
        return 0
    print(f"{GENERATED} is stale; write it anew with `python -m dashboards`")
    return 1


if __name__ == "__main__":
    sys.exit(main())
