"""What the demo says, on a terminal and without one."""

from __future__ import annotations

import shutil

from andon.alert_text import amounts, clean
from andon.commands import Reason
from demo.story import News
from demo.watch import Standing

INTRO = (
    "An AI agent of a web shop was meant to draft refunds, and got the tool that",
    "pays them. You will see three healthy days, then the night in which it would pay",
    "$47,000, most of it for complaints refunded before. Everything here is real but",
    "the shop and the speed: broker, monitor, guard, and the pager of who is on call.",
)
ANDON = "andon" if shutil.which("andon") else ".venv/bin/andon"
NEXT = (
    (f"{ANDON} demo --speed 0.3", "the same, slowly"),
    (f"{ANDON} demo --log night.jsonl", "that night as an event log, with nothing to stop it"),
    (
        f"{ANDON} backtest --policy demo/refunds.yaml --latch night.jsonl",
        "what bounds of your own would have made of it",
    ),
    ("docs/demo.md, demo/agent.py, docs/guard.md", "what is real here, and how to guard your own"),
)


def line(news: News) -> str:
    """One thing that happened, in a line."""
    return f"{news.ts:%a %H:%M}  {clean(news.text)}" if news.ts else f"{'':9}  {clean(news.text)}"


def pair(standing: Standing) -> tuple[str, str]:
    """A rate and its bound, with their unit."""
    shown = Reason(
        text="",
        rate=standing.rate,
        observed=standing.observed,
        bound=standing.bound,
        # The one currency of the demo's policy.
        value={"USD": standing.observed} if standing.rate == "value" else {},
    )
    observed, bound = amounts(shown)
    return observed.removesuffix(" USD"), bound.removesuffix(" USD")
