from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from andon.breaker import State
from andon.metrics import GUARD, MONITOR
from dashboards import queries
from tests.dashboards.expressions import GENERATED, expressions, panels
from tests.npm_packages import node_modules

ROOT = Path(__file__).parents[2]
DASHBOARD: dict[str, Any] = json.loads(GENERATED.read_text())
PANELS = pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
METRICS = {metric.name: metric for metric in (*MONITOR, *GUARD)}
TYPES = ROOT / "tests" / "npm" / "grafana.d.ts"
UNITS = {"short", "percentunit", "ops", "eps", "recps", "s"}

# Sums over the chosen time range; a rate interval would show the last minute of it only.
OVER_THE_RANGE = {"Pauses", "Money out", "Leaked after pauses"}


def test_what_is_committed_is_what_the_code_says() -> None:
    command = [sys.executable, "-W", "ignore", "-m", "dashboards", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_provisioned_not_edited() -> None:
    assert DASHBOARD["editable"] is False
    assert DASHBOARD["schemaVersion"] == 42
    assert (DASHBOARD["uid"], DASHBOARD["title"]) == ("andon", "Andon")


def test_variables() -> None:
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert list(variables) == ["datasource", "job", "instance", "workflow"]
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == (
        "datasource",
        "prometheus",
    )
    for name in ("job", "instance", "workflow"):
        assert variables[name]["datasource"]["uid"] == "${datasource}"
        assert (variables[name]["multi"], variables[name]["includeAll"]) == (True, True)


@PANELS
def test_a_panel_uses_the_chosen_data_source(panel: dict[str, Any]) -> None:
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@PANELS
def test_a_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["targets"]


@PANELS
def test_several_series_are_told_apart(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        if " by (" in target["expr"] and panel["type"] != "table" and "le)" not in target["expr"]:
            grouped = re.findall(r"^(?:\d+ \* |time\(\) - )?\w+ by \(([^)]*)\)", target["expr"])
            for label in ",".join(grouped).split(","):
                assert not label or label.strip() in target["legendFormat"] or label == " policy"


def test_titles_and_ids_are_used_once() -> None:
    everything = DASHBOARD["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    assert len({(panel["title"], panel["type"]) for panel in everything}) == len(everything)


def test_panels_lie_beside_each_other_not_over() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells), panel["title"]
        taken |= cells


@pytest.mark.parametrize(("title", "expr"), expressions())
def test_an_expression_keeps_to_the_variables_and_to_known_metrics(title: str, expr: str) -> None:
    for name, matchers in selectors(expr):
        metric = METRICS[name.removesuffix("_bucket")]
        wanted = {"job", "instance", *({"workflow"} & set(metric.labels))}
        assert {f'{label}=~"${label}"' for label in wanted} <= set(matchers.split(", ")), title
        labels = {re.split("[=!]", matcher)[0] for matcher in matchers.split(", ")}
        assert labels <= {"job", "instance", *metric.labels}


@pytest.mark.parametrize(("title", "expr"), expressions())
def test_counters_are_shown_as_rates_over_a_fitting_window(title: str, expr: str) -> None:
    window = r"\$__range" if title in OVER_THE_RANGE else r"\$__rate_interval"
    for name, matchers in selectors(expr):
        if METRICS[name.removesuffix("_bucket")].kind != "gauge":
            series = re.escape(f"{name}{{{matchers}}}")
            assert re.search(rf"(rate|increase)\({series}\[{window}\]\)", expr), title


def selectors(expr: str) -> Iterator[tuple[str, str]]:
    """Metric and label matchers of everything that an expression reads."""
    found = re.findall(r"(andon_\w+)\{([^}]*)\}", expr)
    assert found, expr
    assert len(found) == expr.count("andon_")
    yield from found


def test_every_metric_is_seen_somewhere() -> None:
    seen = {
        name.removesuffix("_bucket") for _, expr in expressions() for name, _ in selectors(expr)
    }
    # The heartbeat is for the rules alone.
    assert seen == set(METRICS) - {"andon_heartbeat_timestamp_seconds"}


def test_a_query_for_what_is_not_exported_cannot_be_written() -> None:
    with pytest.raises(KeyError):
        queries.select("andon_unknown_total")
    with pytest.raises(KeyError):
        queries.select("andon_workflows", workflow="x")


def test_every_state_of_a_breaker_has_its_word_and_colour() -> None:
    told = ", ".join(f"{number} {state}" for number, state in enumerate(State))
    assert told in METRICS["andon_breaker_state"].help
    timelines = [panel for panel in panels() if panel["type"] == "state-timeline"]
    assert len(timelines) == 2
    for panel in timelines:
        (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
        assert {number: result["text"] for number, result in mapping["options"].items()} == {
            str(number): state.label for number, state in enumerate(State)
        }
        assert all(result["color"] for result in mapping["options"].values())


def test_grafana_finds_what_is_provisioned() -> None:
    folder = ROOT / "dashboards" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())[
        "datasources"
    ]
    assert (source["uid"], source["editable"]) == ("prometheus", False)
    default = DASHBOARD["templating"]["list"][0]["current"]["value"]
    assert default == source["uid"]

    (provider,) = yaml.safe_load((folder / "dashboards" / "andon.yaml").read_text())["providers"]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    mounts = dict(volume.split(":")[:2] for volume in compose["grafana"]["volumes"])
    assert mounts["./dashboards/generated"] == provider["options"]["path"]
    assert source["url"] == "http://prometheus:9090"
    assert provider["allowUiUpdates"] is False


def test_grafana_s_own_types_take_it(tmp_path: Path) -> None:
    wrong: list[dict[str, Any]] = [
        {"editible": False},
        {"graphTooltip": 9},
        {"panels": [panels()[0] | {"targets": [{"refId": "A", "exp": "up"}]}]},
    ]
    lines = ["import type { DashboardJson } from './grafana.js';", _constant("right", DASHBOARD)]
    for place, change in enumerate(wrong):
        lines += ["// @ts-expect-error", _constant(f"wrong{place}", DASHBOARD | change)]
    (tmp_path / "node_modules").symlink_to(node_modules())
    (tmp_path / "dashboard.ts").write_text("\n".join(lines))
    shutil.copy(TYPES, tmp_path)

    options = ("--strict", "--noEmit", "--skipLibCheck", "--module", "nodenext")
    done = subprocess.run(
        ["node_modules/.bin/tsc", *options, "dashboard.ts"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "")


def _constant(name: str, document: dict[str, Any]) -> str:
    return f"export const {name}: DashboardJson = {json.dumps(document)};"
