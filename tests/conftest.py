"""What every test may ask for."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaProducer

from andon.topics import POLICIES
from streams.broker import EmbeddedBroker
from streams.policy_topic import held
from streams.settings import Settings
from streams.topics import apply
from tests.apache_kafka.broker import ApacheKafka, first_start
from tests.apache_kafka.jars import UnavailableError

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


YOURS = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
BROKERS = {"embedded": EmbeddedBroker, "apache": ApacheKafka}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--broker", choices=list(BROKERS), default="embedded", help="what tests marked `broker` run"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--broker") == "apache":
        try:
            first_start()
        except UnavailableError as error:
            raise pytest.UsageError(f"Apache Kafka cannot be run here: {error}") from None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    embedded = config.getoption("--broker") == "embedded" and not YOURS
    for item in items:
        if "broker_class" in getattr(item, "fixturenames", ()):
            item.add_marker("broker")
        for mark in item.iter_markers("unlike_embedded"):
            # Strict: where the embedded broker has learnt it, its docs page is to be changed.
            reason = f"docs/embedded-broker.md: {mark.args[0]}"
            if embedded:
                item.add_marker(pytest.mark.xfail(strict=True, reason=reason, **mark.kwargs))


@pytest.fixture(scope="session")
def broker_class(pytestconfig: pytest.Config) -> type[EmbeddedBroker]:
    """What `--broker` names. Whoever asks for it bears the mark `broker`."""
    return BROKERS[pytestconfig.getoption("--broker")]


@pytest.fixture(scope="session")
def broker(
    broker_class: type[EmbeddedBroker], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Address of a broker with Andon's topics: yours from KAFKA_BOOTSTRAP_SERVERS, or our own.

    All tests share it, so name what you write with `unique`.
    """
    if YOURS:
        apply(YOURS, Settings())
        yield YOURS
        return
    with broker_class(tmp_path_factory.mktemp("broker")) as own:
        apply(own.bootstrap_servers, Settings())
        yield own.bootstrap_servers


@pytest.fixture
def own_broker(broker_class: type[EmbeddedBroker], tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A broker for this test alone, without topics: to stop, kill or fill as it likes."""
    with broker_class(tmp_path / "broker") as own:
        yield own


@pytest.fixture(scope="module")
def policy_broker(
    broker_class: type[EmbeddedBroker], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Address of a broker whose policies are those of the tests of one file."""
    with broker_class(tmp_path_factory.mktemp("broker")) as own:
        apply(own.bootstrap_servers, Settings())
        yield own.bootstrap_servers


@pytest.fixture
def no_policies(policy_broker: str) -> str:
    """Address of a broker that holds no policies."""
    names = asyncio.run(held(policy_broker)).held
    with KafkaProducer(bootstrap_servers=policy_broker) as producer:
        for name in names:
            producer.send(POLICIES, None, name.encode()).get(30)
    return policy_broker


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
