"""One broker and one monitor that most end-to-end tests share, each with workflows of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from streams.broker import EmbeddedBroker
from streams.settings import Settings
from streams.topics import apply
from tests.dashboards.plant import RULES as PLANT_RULES
from tests.e2e.harness import Kafka, Monitor
from tests.streams.receiving import SECRET, Hook

MONEY = {"name": "money", "rate": "value", "over": "1h", "at_least": 100, "currency": "USD"}
POLICIES: list[dict[str, Any]] = [
    {
        "name": "path",
        "match": {"workflow": "path-*"},
        "rules": [MONEY],
        "recover": {"after": "manual", "trial": {"permits": 5, "pass": 3}, "then": "closed"},
        "alert": {"severity": "critical", "receivers": ["hook"]},
    },
    {
        "name": "letters",
        "match": {"workflow": "letters-*"},
        "rules": [{"name": "many", "rate": "volume", "over": "1h", "at_least": 20}],
    },
    {
        "name": "waits",
        "match": {"workflow": "waits-*"},
        "rules": [MONEY],
        "recover": {"after": "10m", "trial": {"permits": 2, "pass": 2}, "then": "closed"},
    },
    {
        "name": "facts",
        "match": {"workflow": "facts-*"},
        "rules": PLANT_RULES,
    },
    {
        "name": "loop",
        "match": {"workflow": "loop-*"},
        "rules": [MONEY],
        "obey": {"within": "2s"},
        "alert": {"severity": "critical", "receivers": ["hook"]},
    },
    {
        "name": "graded",
        "match": {"workflow": "graded-*"},
        "rules": [MONEY],
        "recover": {
            "after": "1h",
            "after_max": "3h",
            "trial": {"permits": 4, "every": "2s", "pass": 3},
            "slow": {"permits": 6, "every": "2s", "for": "3s"},
        },
    },
    {
        "name": "people",
        "match": {"workflow": "people-*"},
        "rules": [MONEY],
        "recover": {"after": "manual", "trial": {"permits": 50, "pass": 50}, "then": "closed"},
    },
]


@pytest.fixture(scope="package")
def kafka(
    broker_class: type[EmbeddedBroker], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kafka]:
    """A broker with topics that these tests alone write to, or yours."""
    if address := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield from _topics(address)
        return
    with broker_class(tmp_path_factory.mktemp("broker")) as own:
        yield from _topics(own.bootstrap_servers)


def _topics(address: str) -> Iterator[Kafka]:
    apply(address, Settings())
    kafka = Kafka(address)
    yield kafka
    kafka.close()


@pytest.fixture
def own_kafka(own_broker: EmbeddedBroker) -> Iterator[Kafka]:
    """A broker with topics for a test alone: what it does there would be in the way of others."""
    yield from _topics(own_broker.bootstrap_servers)


@pytest.fixture(scope="package")
def hook() -> Iterator[Hook]:
    """A web server that takes webhooks."""
    with Hook() as hook:
        yield hook


@pytest.fixture(scope="package")
def lever() -> Iterator[Hook]:
    """A web server that stops what does not obey."""
    with Hook() as lever:
        yield lever


@pytest.fixture(scope="package")
def monitor(
    kafka: Kafka, hook: Hook, lever: Hook, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Monitor]:
    """A running monitor with all of POLICIES, that delivers alerts."""
    folder = tmp_path_factory.mktemp("monitor")
    receivers = folder / "receivers.yaml"
    entries: list[dict[str, Any]] = [
        {"name": "hook", "webhook": {"url": hook.url, "secret_env": "HOOK_SECRET"}},
        {"name": "terminal", "terminal": {}},
    ]
    airflow = {"url": lever.url, "dag": "agents", "token_env": "LEVER_TOKEN"}
    actuator = {"name": "lever", "workflows": "loop-*", "resume": True, "airflow": airflow}
    document = {"receivers": entries, "default": ["terminal"], "actuators": [actuator]}
    receivers.write_text(yaml.safe_dump(document))
    options = ("--receivers", str(receivers))
    secrets = {"HOOK_SECRET": SECRET, "LEVER_TOKEN": "s3cret"}
    with Monitor(kafka.address, folder, POLICIES, *options, **secrets) as monitor:
        yield monitor
        assert monitor.stop() == 0, monitor.log.read_text()
