"""How a monitor starts, and how it tells why it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.broker import EmbeddedBroker
from streams.settings import Settings
from streams.topics import apply
from tests.andon.streaming import until
from tests.e2e.conftest import MONEY
from tests.e2e.harness import Kafka, Monitor, andon

BOOK = "version: 1\npolicies:\n  - name: p\n    rules:\n"
BOOK += "      - {name: r, rate: volume, over: 1h, at_least: 3}\n"
HOOK = "receivers:\n  - name: hook\n    webhook: {url: 'https://example.com'}\ndefault: [hook]\n"


@pytest.mark.parametrize(
    ("policy", "receivers", "complaint"),
    [
        (BOOK.replace("volume", "speed"), HOOK, "policy.yaml:5: policies[0].rules[0].rate: "),
        (BOOK, HOOK, "receivers.yaml:3: receivers[0].webhook.secret_env: "),
    ],
    ids=["policy", "receivers"],
)
def test_a_file_that_cannot_be_used_is_told_with_its_line(
    kafka: Kafka, tmp_path: Path, policy: str, receivers: str, complaint: str
) -> None:
    options = []
    for name, text in (("policy", policy), ("receivers", receivers)):
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
        options += [f"--{name}", str(path)]
    told = andon(kafka, "monitor", *options, status=2)
    assert complaint in told
    assert "Traceback" not in told


def test_it_waits_for_the_broker_and_its_topics(
    broker_class: type[EmbeddedBroker], tmp_path: Path
) -> None:
    broker = broker_class(tmp_path / "broker")
    with broker:  # its port is kept
        address = broker.bootstrap_servers
    policy = {"name": "only", "rules": [MONEY]}
    with Monitor(address, tmp_path, [policy], "--no-alerts") as monitor:
        says(monitor, f"waiting: no Kafka broker answers at {address}")
        assert monitor.stop() == 0  # who does not want to wait may stop it
        monitor.start()
        says(monitor, f"waiting: no Kafka broker answers at {address}")
        with broker:
            says(monitor, "waiting: the broker has no topic execute.events, andon.commands")
            apply(address, Settings())
            says(monitor, f"watching execute.events on {address}")
            assert "Traceback" not in monitor.said
            assert monitor.stop() == 0


def says(monitor: Monitor, words: str) -> None:
    until(lambda: words in monitor.said, f"the monitor to say: {words}")
