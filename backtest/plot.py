"""A workflow as a picture: each rule's rate with its bound, the trips and the pauses over time.

Needs matplotlib. Rates are those of the log as it was; trips and pauses are simulated. So the
picture shows too what would not have happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from andon.alert_text import RATE_NAMES, clean
from andon.policy import SHARES, Policy, Rule, format_duration
from backtest.readings import Readings
from backtest.tables import amount, bound_text, counted, money
from detectors.plan import MICRO

Json = dict[str, Any]

RATE, BOUND, TRIP, OTHER, PAUSED, TEXT = (
    "#0072B2", "#D55E00", "#111111", "#999999", "#E6E6E6", "#333333",
)  # fmt: skip
"""Okabe and Ito's blue and vermillion, which colour-blind people tell apart; the rest is grey."""
POINTS_MAX = 600
LABEL_WIDTH = 0.17  # of the picture: labels closer than this are left out


class Span(NamedTuple):
    """The time that a picture shows."""

    first: np.datetime64
    last: np.datetime64

    def place(self, at: np.datetime64) -> float:
        """0 at the left end, 1 at the right."""
        return float((at - self.first) / max(self.last - self.first, np.timedelta64(1, "us")))


class Panel(NamedTuple):
    """One rule of one workflow, with what it measured, by time (readings.ROW)."""

    policy: Policy
    rule: Rule
    rows: NDArray[np.void]


def draw(readings: Readings, report: Json, workflow: str) -> Figure:
    """The picture of one workflow of a simulation; there must be readings of it."""
    span = Span(moment(report["from"]), moment(report["to"]))
    block_us = int((span.last - span.first) / np.timedelta64(POINTS_MAX, "us"))
    shown = list(_panels(readings, workflow, block_us))
    pauses = [pause for pause in report["pauses"] if pause["workflow"] == workflow]
    figure = Figure(figsize=(10, 1.1 + 1.7 * len(shown)), layout="constrained")
    axes = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    axes[0].set_xlim(*span)
    for drawn, panel in zip(axes, shown, strict=True):
        _draw_rate(drawn, panel, readings.block_us)
        _draw_pauses(drawn, panel, pauses, span)
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes[-1].xaxis.set_major_locator(locator)
    axes[-1].xaxis.set_major_formatter(
        ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    )
    axes[-1].set_xlabel("time of the events, UTC", color=TEXT)
    figure.suptitle(_title(report, workflow), x=0.01, ha="left", fontsize=11, weight="bold")
    figure.legend(handles=_legend(), loc="outside lower left", ncols=4, frameon=False)
    return figure


def style(salt: str) -> Any:
    """The settings to draw and save under; another salt gives other ids within an SVG."""
    return matplotlib.rc_context(
        {
            "font.size": 9.0,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": "#999999",
            "svg.fonttype": "none",
            "svg.hashsalt": salt,
            "text.parse_math": False,
        }
    )


def _panels(readings: Readings, workflow: str, block_us: int) -> Iterator[Panel]:
    """The rules that measured anything, in the order of their policies."""
    rows, number = readings.rows(block_us), readings.workflows.index(workflow)
    rows = rows[rows["workflow"] == number]
    book = readings.compiled.book
    rules = [(policy, rule) for policy in book.policies for rule in policy.rules]
    for place in np.unique(rows["rule"]):
        policy, rule = rules[place]
        yield Panel(policy, rule, rows[rows["rule"] == place])


def _draw_rate(axes: Axes, panel: Panel, block_us: int) -> None:
    rule, rows = panel.rule, panel.rows
    times = (rows["block"] * block_us + block_us // 2).astype("datetime64[us]")
    # Where nothing was measured for longer than the window there is no rate to draw a line to.
    gaps_us = np.diff(rows["block"]) * block_us
    broken = np.flatnonzero(gaps_us > max(rule.over * MICRO, 3 * block_us))
    times = np.insert(times, broken + 1, times[broken])
    rates = np.insert(rows["highest"], broken + 1, np.nan)
    bounds = np.insert(rows["bound"], broken + 1, np.nan)
    axes.plot(times, rates, color=RATE, linewidth=1.3, zorder=3)
    alone = _alone(rates)
    axes.plot(times[alone], rates[alone], ".", color=RATE, markersize=3, zorder=3)
    dashes: dict[str, Any] = {
        "color": BOUND,
        "linestyle": (0, (5, 2)),
        "linewidth": 1.4,
        "zorder": 2,
    }
    if rule.usual:
        axes.plot(times, bounds, drawstyle="steps-mid", **dashes)
    else:
        axes.axhline(rule.bound, **dashes)
    top = max(float(rows["highest"].max()), float(rows["bound"].max())) or 1.0
    axes.text(
        1.005,
        float(rows["bound"][-1]),
        bound_text(rule),
        transform=axes.get_yaxis_transform(),
        va="center",
        color=BOUND,
        fontsize=8,
    )
    axes.set_ylim(0, top * 1.25)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=rule.rate not in SHARES))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: amount(rule, value)))
    axes.set_title(_subtitle(panel), loc="left", fontsize=9, color=TEXT)
    axes.tick_params(colors=TEXT, labelsize=8)
    axes.grid(axis="y", color="#EEEEEE", zorder=0)


def _alone(rates: NDArray[np.float64]) -> NDArray[np.intp]:
    """Points that no line goes to."""
    gaps = np.isnan(np.concatenate([[np.nan], rates, [np.nan]]))
    return np.flatnonzero(gaps[:-2] & ~gaps[1:-1] & gaps[2:])


def _draw_pauses(axes: Axes, panel: Panel, pauses: list[Json], span: Span) -> None:
    """All pauses of the workflow; the trips of this rule stand out and are told."""
    told = -1.0
    for pause in pauses:
        tripped = moment(pause["tripped"])
        until = moment(pause["resumed"]) if pause["resumed"] else span.last
        axes.axvspan(tripped, until, color=PAUSED, linewidth=0, zorder=1)  # type: ignore[arg-type]
        if (pause["policy"], pause["rule"]) != (panel.policy.name, panel.rule.name):
            axes.axvline(tripped, color=OTHER, linewidth=0.7, zorder=2)  # type: ignore[arg-type]
            continue
        axes.axvline(tripped, color=TRIP, linewidth=1.4, zorder=4)  # type: ignore[arg-type]
        place = span.place(tripped)
        if place - told < LABEL_WIDTH and told >= 0:
            continue
        told = place
        axes.annotate(
            _told(panel.rule, pause),
            (place, 0.98), xycoords="axes fraction", xytext=(-4 if place > 0.8 else 4, 0),
            textcoords="offset points", ha="right" if place > 0.8 else "left", va="top",
            fontsize=8, color=TRIP, zorder=5,
            bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1},
        )  # fmt: skip


def _told(rule: Rule, pause: Json) -> str:
    return f"{pause['tripped'][5:16].replace('T', ' ')} at {amount(rule, pause['observed'])}"


def _title(report: Json, workflow: str) -> str:
    page = next((one for one in report["workflows"] if one["workflow"] == workflow), None)
    if page is None:
        return f"{clean(workflow)}: would not have been paused"
    saved = counted(page["saved"]["actions"], "action")
    if page["saved"]["value"]:
        saved += f" and {money(page['saved']['value'])}"
    return f"{clean(workflow)}: {counted(page['pauses'], 'pause')} would have saved {saved}"


def _subtitle(panel: Panel) -> str:
    rule, policy = panel.rule, panel.policy
    name = "people reached" if rule.of == "recipients" else RATE_NAMES[rule.rate]
    within = f" within each {rule.per}" if rule.per else ""
    method = ", by evidence" if rule.method == "evidence" else ""
    rate = f"{name} over {format_duration(rule.over)}{within}{method}"
    return f"{rule.name}:  {rate}  ({policy.name}, {policy.mode})"


def _legend() -> list[Line2D | Patch]:
    return [
        Line2D([], [], color=RATE, label="rate, had nothing been paused (highest of each stretch)"),
        Line2D([], [], color=BOUND, linestyle=(0, (5, 2)), label="bound"),
        Line2D([], [], color=TRIP, label="trip (grey: by another rule)"),
        Patch(color=PAUSED, label="would have been paused"),
    ]


def moment(ts: str) -> np.datetime64:
    """A time of the report as numpy has it."""
    return np.datetime64(ts.removesuffix("Z"), "us")
