"""What every test may ask for."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.broker import EmbeddedBroker
from streams.settings import Settings
from streams.topics import apply

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a broker with Andon's topics: yours from KAFKA_BOOTSTRAP_SERVERS, or our own.

    All tests share it, so name what you write with `unique`.
    """
    if address := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        apply(address, Settings())
        yield address
        return
    with EmbeddedBroker(tmp_path_factory.mktemp("broker")) as embedded:
        apply(embedded.bootstrap_servers, Settings())
        yield embedded.bootstrap_servers


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """An embedded broker for this test alone, without topics: to stop, kill or fill as it likes."""
    with EmbeddedBroker(tmp_path / "broker") as embedded:
        yield embedded


@pytest.fixture
def unique() -> Callable[[str], str]:
    """`unique("refunds")` is a name for a topic, workflow or group that no other test has."""
    return lambda name: f"{name}-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with the real logs, beside the checkout. Must be there where CI is `true`."""
    if not SHARED_DATA.is_dir():
        reason = f"the real logs are not there: {SHARED_DATA}"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return SHARED_DATA
