"""The table of figures in the README, written from build/bench.json."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

README = Path(__file__).parents[1] / "README.md"

_ROWS = {
    "monitor": "`andon monitor`: four rates, from raw records to decisions written",
    "aiokafka": "bare aiokafka `getmany`, which decides nothing",
}


def write_readme(result: dict[str, Any]) -> None:
    """Put the figures between the README's two markers."""
    text = README.read_text(encoding="utf-8")
    filled = re.sub(
        r"<!-- bench -->.*<!-- /bench -->",
        lambda _: f"<!-- bench -->\n{table(result)}\n<!-- /bench -->",
        text,
        flags=re.DOTALL,
    )
    README.write_text(filled, encoding="utf-8")


def table(result: dict[str, Any]) -> str:
    """Medians with their spread, and how they were measured."""
    lines = ["| one process | events/s, median | lowest to highest |", "|---|---|---|"]
    for name, what in _ROWS.items():
        low, high = result["spread"][name]
        lines.append(f"| {what} | {result[f'{name}_events_per_s']:,} | {low:,} to {high:,} |")
    machine, versions = result["machine"], result["versions"]
    packages = ", ".join(f"{name} {number}" for name, number in versions.items())
    return "\n".join(
        [
            *lines,
            "",
            f"The ratio of the two is {result['monitor_per_aiokafka']:.2f} (median of "
            f"{result['runs']} runs in turn; {result['events']:,} events of about 370 bytes and "
            f"{result['workflows']} workflows, embedded broker, {machine['cpus']} cores "
            f"{machine['arch']}, shared with the broker; {packages}).",
        ]
    )
