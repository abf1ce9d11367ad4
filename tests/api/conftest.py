"""One API that most tests share, each with workflows of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.api.serving import Api

LIMITS = [
    {"value": 2000, "currency": "USD", "then": "deny"},
    {"value": 100, "currency": "EUR", "over": "1h", "then": "deny"},
    {"value": 50, "currency": "GBP", "then": "review"},
]
POLICY = {
    "version": 1,
    "policies": [
        {
            "name": "limited",
            "match": {"workflow": "limited-*"},
            "limits": LIMITS,
            "scope": {"actions": ["refund.*"]},
        }
    ],
}


@pytest.fixture(scope="package")
def api(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A running API with POLICY."""
    folder = tmp_path_factory.mktemp("api")
    policy = folder / "policy.yaml"
    policy.write_text(yaml.safe_dump(POLICY))
    with Api(broker, folder, "--policy", str(policy)) as running:
        yield running
