"""Creates Andon's topics and tells how those that exist differ from what they should be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from andon.errors import BrokerError
from andon.topics import EVENTS, TOPICS, TopicSpec
from streams.settings import Settings

CONNECT_TIMEOUT_MS = 5_000
HOUR_MS = 60 * 60 * 1000
DAY_MS = 24 * HOUR_MS
EXISTENCE = "topic"


class Drift(NamedTuple):
    """One way in which a topic is not as it should be. `setting` is `topic` when it is missing."""

    topic: str
    setting: str
    wanted: str
    found: str


def apply(bootstrap_servers: str, settings: Settings, check_only: bool = False) -> list[Drift]:
    """Create the topics that are missing; return what differs then, empty when all is well.

    A topic that exists is never changed. Raises BrokerError when no broker answers.
    """
    with administration(bootstrap_servers) as admin:
        drifts = _drifts(admin, settings)
        missing = {drift.topic for drift in drifts if drift.setting == EXISTENCE}
        if check_only or not missing:
            return drifts
        refused = _create(admin, [spec for spec in TOPICS if spec.name in missing], settings)
        return [
            drift._replace(found=refused.get(drift.topic, drift.found))
            for drift in _drifts(admin, settings)
        ]


def events_kept_s(bootstrap_servers: str) -> int | None:
    """How long the broker keeps events; None: for ever, or it has no such topic.

    Raises BrokerError when no broker answers.
    """
    with administration(bootstrap_servers) as admin:
        resource = ConfigResource(ConfigResourceType.TOPIC, EVENTS)
        configs = admin.describe_configs([resource], config_filter="all").get("topic", {})
    kept_ms = int(configs.get(EVENTS, {}).get("retention.ms", {}).get("value", -1))
    return None if kept_ms < 0 else kept_ms // 1000


@contextmanager
def administration(bootstrap_servers: str) -> Iterator[KafkaAdminClient]:
    """A client that asks after the broker itself. Raises BrokerError where it fails."""
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=bootstrap_servers,
            bootstrap_timeout_ms=CONNECT_TIMEOUT_MS,
            request_timeout_ms=CONNECT_TIMEOUT_MS,
        )
    except (KafkaError, ValueError) as error:
        raise BrokerError(
            f"no Kafka broker answers at {bootstrap_servers}: start one with `andon broker`, "
            "or name yours in KAFKA_BOOTSTRAP_SERVERS"
        ) from error
    try:
        with admin:
            yield admin
    except KafkaError as error:
        raise BrokerError(f"the broker at {bootstrap_servers} failed: {error}") from error


def wanted_config(spec: TopicSpec, settings: Settings) -> dict[str, str]:
    """The topic's configuration, in Kafka's own names and units."""
    kept_ms = {
        "time": settings.events_retention_days * DAY_MS,
        "long": settings.audit_retention_days * DAY_MS,
        "short": HOUR_MS,
    }
    config = {
        "cleanup.policy": spec.cleanup,
        "max.message.bytes": str(spec.max_message_bytes),
        "message.timestamp.type": spec.timestamps,
        # As it was written: a guard's client reads no lz4, snappy or zstd, which a broker's own
        # default may make of it.
        "compression.type": "producer",
    }
    if spec.kept != "compacted":
        config["retention.ms"] = str(kept_ms[spec.kept])
    return config


def _drifts(admin: KafkaAdminClient, settings: Settings) -> list[Drift]:
    names = [spec.name for spec in TOPICS]
    existing = {
        topic["name"]: topic for topic in admin.describe_topics(names) if topic["partitions"]
    }
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configs = admin.describe_configs(resources, config_filter="all").get("topic", {})
    drifts: list[Drift] = []
    for spec in TOPICS:
        if spec.name not in existing:
            drifts.append(Drift(spec.name, EXISTENCE, "present", "missing"))
            continue
        wanted = _shape(spec, settings) | wanted_config(spec, settings)
        found = _found(existing[spec.name], configs.get(spec.name, {}))
        drifts += [
            Drift(spec.name, setting, value, found[setting])
            for setting, value in wanted.items()
            if setting in found and found[setting] != value
        ]
    return drifts


def _shape(spec: TopicSpec, settings: Settings) -> dict[str, str]:
    return {
        "partitions": str(spec.partitions or settings.partitions),
        "replication": str(settings.replication),
    }


def _found(topic: Mapping[str, Any], config: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    partitions = topic["partitions"]
    return {
        "partitions": str(len(partitions)),
        "replication": str(min(len(partition["replica_nodes"]) for partition in partitions)),
    } | {setting: str(entry["value"]) for setting, entry in config.items()}


def _create(
    admin: KafkaAdminClient, specs: Sequence[TopicSpec], settings: Settings
) -> dict[str, str]:
    """Create the topics; returns the reason of each that the broker refused."""
    answer = admin.create_topics(
        {
            spec.name: {
                "num_partitions": spec.partitions or settings.partitions,
                "replication_factor": settings.replication,
                "configs": wanted_config(spec, settings),
            }
            for spec in specs
        },
        raise_errors=False,
    )
    errors = {topic["name"]: for_code(topic["error_code"]) for topic in answer["topics"]}
    messages = {topic["name"]: topic["error_message"] for topic in answer["topics"]}
    # Another process that creates the same topics is welcome to be first.
    refused = {
        name: f"missing: {messages[name] or error.__name__}"
        for name, error in errors.items()
        if error.errno not in (0, TopicAlreadyExistsError.errno)
    }
    admin.wait_for_topics([spec.name for spec in specs if spec.name not in refused])
    return refused
