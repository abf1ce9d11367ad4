from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from andon.metrics import CANARY, GUARD, MONITOR
from tests.dashboards.plant import plant
from tests.dashboards.prometheus import FOLDER, tool

ROOT = FOLDER.parent
RULES = [
    rule
    for group in yaml.safe_load((FOLDER / "rules" / "andon.yml").read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = [rule for rule in RULES if "alert" in rule]
EACH = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])


def promtool(*arguments: str | Path, stdin: bytes = b"") -> str:
    done = subprocess.run(
        [tool("promtool"), *map(str, arguments)], input=stdin, capture_output=True, timeout=60
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return done.stdout.decode()


def test_promtool_takes_the_rules() -> None:
    assert f"{len(RULES)} rules found" in promtool("check", "rules", FOLDER / "rules" / "andon.yml")


def test_promtool_takes_the_configuration() -> None:
    assert "is valid" in promtool("check", "config", FOLDER / "prometheus.yml")


def test_the_rules_fire_when_they_should() -> None:
    assert "SUCCESS" in promtool("test", "rules", FOLDER / "rules" / "andon_test.yml")


def test_every_alert_has_a_test_that_sees_it_fire() -> None:
    tests = yaml.safe_load((FOLDER / "rules" / "andon_test.yml").read_text())["tests"]
    checks = [check for test in tests for check in test.get("alert_rule_test", [])]
    fired = {check["alertname"] for check in checks if check["exp_alerts"]}
    assert fired == {alert["alert"] for alert in ALERTS}


def test_promtool_takes_the_metrics() -> None:
    with plant() as working:
        working.work()
        working.show()
        for target in (working.monitor, working.guard):
            text = httpx.get(f"http://{target}/metrics").content
            assert b"andon_" in text
            promtool("check", "metrics", stdin=text)


@EACH
def test_an_alert_says_what_to_do(alert: dict[str, Any]) -> None:
    assert re.fullmatch(r"Andon[A-Z]\w+", alert["alert"])
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert {"summary", "description", "runbook_url"} <= set(alert["annotations"])


@EACH
def test_an_alert_has_its_section_in_the_runbook(alert: dict[str, Any]) -> None:
    file, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    headings = re.findall(r"^## (\w+)$", (ROOT / file).read_text(), re.MULTILINE)
    assert anchor == alert["alert"].lower()
    assert alert["alert"] in headings


def test_the_rules_read_what_is_exported() -> None:
    known = {metric.name for metric in (*MONITOR, *GUARD, *CANARY)}
    recorded = {rule["record"] for rule in RULES if "record" in rule}
    for rule in RULES:
        expr = rule["expr"]
        for name in recorded:
            expr = expr.replace(name, "")
        assert {name.removesuffix("_bucket") for name in re.findall(r"andon_\w+", expr)} <= known


def test_recorded_series_are_named_level_metric_operation() -> None:
    for rule in RULES:
        assert "alert" in rule or re.fullmatch(r"[a-z_]+:andon_[a-z_]+:[a-z0-9_]+", rule["record"])
