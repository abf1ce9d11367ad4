"""Tables as data, so that a terminal, a page and a document show the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from andon.policy import SHARES, Rate, Rule

Row = tuple[str, ...]
BAR = "\\|"


class Table(NamedTuple):
    """Text alone."""

    title: str
    heads: Row
    rows: list[Row]


def markdown(table: Table) -> Iterator[str]:
    """The lines of a table in Markdown."""
    yield f"| {' | '.join(table.heads)} |"
    yield f"|{'---|' * len(table.heads)}"
    for row in table.rows:
        yield f"| {' | '.join(cell.replace('|', BAR) for cell in row)} |"


def spell(seconds: float) -> str:
    """`3 min`, `1 h 05 min`, `3 d 4 h`."""
    minutes = round(seconds / 60)
    if minutes == 0:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def money(sums: Mapping[str, float]) -> str:
    """`1,200.00 EUR and 31,400.00 USD`."""
    return " and ".join(f"{sum_:,.2f} {code}" for code, sum_ in sorted(sums.items())) or "–"


def amount(rule: Rule, observed: float) -> str:
    """A rate in its unit: `5.2%`, `5,000 USD`, `60`."""
    if rule.rate in SHARES:
        return f"{observed * 100:.3g}%"
    number = f"{observed:,.0f}" if observed >= 1000 else f"{observed:.3g}"
    return f"{number} {rule.currency}" if rule.rate is Rate.VALUE else number


def bound_text(rule: Rule) -> str:
    """`above 5%`, `at least 5,000 USD`, `above 4x usual`."""
    bound = f"{rule.usual.factor:g}x usual" if rule.usual else amount(rule, rule.bound)
    return f"{'at least' if rule.above is None else 'above'} {bound}"


def minute(ts: str) -> str:
    """A time of the contract as tables show it: `2026-01-31 08:00`."""
    return ts[:16].replace("T", " ")


def counted(count: int, noun: str) -> str:
    """`1 pause`, `2,000 pauses`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
