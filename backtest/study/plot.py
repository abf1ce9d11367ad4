"""The study as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import pyplot
from matplotlib.artist import Artist

COLOURS = ("#1a7f37", "#8c959f", "#9a6700", "#cf222e")


def draw(found: dict[str, Any], path: Path) -> None:
    """Delay against mean run to a false trip, a point a rule and true rate: lower right is best."""
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "andon", "font.size": 9})
    rates = list(found["best"])
    figure, axes = pyplot.subplots(1, len(rates), figsize=(9.5, 3.2), sharex=True)
    for place, (rate, panel) in enumerate(zip(rates, axes, strict=True)):
        for row, colour in zip(found["rules"], COLOURS, strict=True):
            seen = row["delays"][2 * place + 1]
            if seen["missed"] <= 0.01:
                run = row["mean_run"] or row["events"]
                panel.scatter(run, seen["mean"], s=42, color=colour, label=row["rule"], zorder=3)
        panel.axhline(found["best"][rate], color="#57606a", linewidth=0.8, linestyle="--")
        panel.axvline(found["promise"], color="#57606a", linewidth=0.8, linestyle=":")
        panel.set(xscale="log", ylim=(0, None), title=f"true rate {float(rate):.0%}")
        panel.set_xlabel("events to a false trip at 5%")
    axes[0].set_ylabel("events to a true trip")
    shown: dict[str, Artist] = {}
    for panel in axes:
        dots, texts = panel.get_legend_handles_labels()
        shown |= dict(zip(texts, dots, strict=True))
    figure.legend(
        handles=list(shown.values()), labels=list(shown), loc="lower center", ncols=4, frameon=False
    )
    figure.tight_layout(rect=(0, 0.09, 1, 1))
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
