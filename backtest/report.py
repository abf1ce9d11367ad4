"""A simulation as people read it: what would have been paused, and what that would have saved."""

from __future__ import annotations

from typing import Any

from andon.alert_text import clean
from backtest.tables import Row, Table, counted, minute, money, spell

ROWS_SHOWN = 40
"""Pauses that the table holds; the JSON object has all."""

Json = dict[str, Any]


def tables(report: Json) -> list[Table]:
    """The pauses by time, and the workflows that were paused; none where nothing was."""
    pauses = report["pauses"]
    workflows = sorted(report["workflows"], key=lambda page: -page["saved"]["actions"])
    if not pauses:
        return []
    return [
        Table(
            "What would have been paused",
            ("Tripped", "Workflow", "Policy", "Why", "Paused for", "Actions saved", "Money saved"),
            [_pause_row(pause) for pause in pauses[:ROWS_SHOWN]],
        ),
        Table(
            "What that would have saved",
            ("Workflow", "Pauses", "Paused for", "Actions run", "Actions saved", "Money moved",
             "Money saved"),
            [_workflow_row(page) for page in workflows[:ROWS_SHOWN]],
        ),
    ]  # fmt: skip


def verdict(report: Json) -> str:
    """A sentence or two."""
    total, saved = report["total"], report["total"]["saved"]
    if report["from"] is None:
        return "The log holds no event."
    span = f"from {minute(report['from'])} to {minute(report['to'])}"
    watched = counted(total["workflows"], "watched workflow")
    if not total["pauses"]:
        return f"None of {watched} would have been paused {span}."
    times = "once" if total["pauses"] == 1 else f"{total['pauses']:,} times in all"
    said = (
        f"{total['workflows_paused']:,} of {watched} would have been paused, {times}, {span}. That "
        f"would have saved {saved['actions']:,} of "
        f"{saved['actions'] + total['executed']['actions']:,} actions"
    )
    said += f" and {money(saved['value'])}." if saved["value"] else "."
    hidden = len(report["pauses"]) - ROWS_SHOWN
    if hidden > 0:
        said += f" {hidden:,} later pauses are not shown; --json has all."
    if report["resume_after_s"] is None and any(not one["resumed"] for one in report["pauses"]):
        said += (
            " A pause that only a person may end lasts to the end of the log; "
            "--resume-after 8h lets it end sooner."
        )
    return said


def _pause_row(pause: Json) -> Row:
    return (
        minute(pause["tripped"]),
        clean(pause["workflow"]),
        f"{clean(pause['policy'])} ({pause['mode']})",
        clean(f"{pause['rule']}: {pause['reason']}"),
        spell(pause["paused_s"]) + ("" if pause["resumed"] else ", to the end"),
        f"{pause['saved']['actions']:,}",
        money(pause["saved"]["value"]),
    )


def _workflow_row(page: Json) -> Row:
    return (
        clean(page["workflow"]),
        f"{page['pauses']:,}",
        spell(page["paused_s"]),
        f"{page['executed']['actions']:,}",
        f"{page['saved']['actions']:,}",
        money(page["executed"]["value"]),
        money(page["saved"]["value"]),
    )
