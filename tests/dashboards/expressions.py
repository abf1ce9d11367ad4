"""What the generated dashboard asks of Prometheus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

GENERATED = Path(__file__).parents[2] / "dashboards" / "generated" / "andon.json"


def panels() -> list[dict[str, Any]]:
    """All panels but the rows."""
    dashboard = json.loads(GENERATED.read_text())
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions() -> list[tuple[str, str]]:
    """Title and expression of every query: panels first, then annotations."""
    annotations = json.loads(GENERATED.read_text())["annotations"]["list"]
    return [
        (panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]
    ] + [(annotation["name"], annotation["target"]["expr"]) for annotation in annotations]
