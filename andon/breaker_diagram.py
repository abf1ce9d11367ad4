"""The breaker's transition table in Markdown.

`python -m andon.breaker_diagram` writes it into docs/breaker.md.
"""

from __future__ import annotations

import re
from pathlib import Path

from andon.breaker import MAY_BRING, TRANSITIONS, State


def diagram() -> str:
    """A Mermaid state diagram; who may bring a cause stands behind it."""
    lines = ["stateDiagram-v2", "    [*] --> CLOSED"]
    lines += [f"    {state}: {state} ({state.label})" for state in State]
    lines += [
        f"    {before} --> {after}: {cause} ({MAY_BRING[cause]})"
        for (before, cause), after in TRANSITIONS.items()
    ]
    return "\n".join(["```mermaid", *lines, "```"])


def table() -> str:
    """Causes by state: where each leads, or nothing where the table has no such transition."""
    head = ["cause", "who", *(f"from {state}" for state in State)]
    rows = [
        [cause, who, *(TRANSITIONS.get((state, cause), "") for state in State)]
        for cause, who in MAY_BRING.items()
    ]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def written_into(page: str) -> str:
    """The page with diagram and table as they are now between its two marks."""
    text = f"<!-- table -->\n{diagram()}\n\n{table()}\n<!-- /table -->"
    return re.sub("<!-- table -->.*<!-- /table -->", lambda _: text, page, flags=re.DOTALL)


if __name__ == "__main__":
    page = Path(__file__).parents[1] / "docs" / "breaker.md"
    page.write_text(written_into(page.read_text()))
