"""A bar chart of characters: what was paid, and on top of it what was refused."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from rich.text import Text

BLOCKS = " ▁▂▃▄▅▆▇█"
PAID, REFUSED = "green", "red"


def bars(columns: Sequence[tuple[float, float]], height: int, top: float) -> list[Text]:
    """Lines of a chart, the highest first.

    Args:
        columns: of each column what was paid and what was refused.
        height: in lines.
        top: the sum that fills a column.
    """
    eighths = [
        (_eighths(paid, height, top), _eighths(paid + refused, height, top))
        for paid, refused in columns
    ]
    return [
        Text.assemble(*(_cell(paid - low, whole - low) for paid, whole in eighths))
        for low in range(8 * (height - 1), -1, -8)
    ]


def _eighths(amount: float, height: int, top: float) -> int:
    """What is above zero shows."""
    return min(max(round(amount / top * height * 8), int(amount > 0)), height * 8)


def _cell(paid: int, whole: int) -> tuple[str, Style]:
    paid, whole = (min(max(level, 0), 8) for level in (paid, whole))
    if paid == whole:
        return BLOCKS[whole], Style(color=PAID)
    if paid and whole == 8:
        return BLOCKS[paid], Style(color=PAID, bgcolor=REFUSED)
    return BLOCKS[whole], Style(color=REFUSED)
