"""The broker: whether it answers, holds the topics as they should be, and tells the time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from kafka import KafkaProducer
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePatternFilter,
    ResourceType,
)
from kafka.errors import KafkaError, SecurityDisabledError

from andon.breaker import State
from andon.commands import Heartbeat
from andon.events import AHEAD_MAX_S
from andon.ids import uuid7
from andon.topics import COMMANDS, HEARTBEATS, TOPICS
from streams.doctor.finding import Finding, fail, ok, warn
from streams.settings import Settings
from streams.topics import EXISTENCE, Drift, administration
from streams.topics import apply as drifts

CLOCK_WARN_S = 5.0
EVERYONE = "User:*"
DOES_NOT_WORK = {EXISTENCE, "cleanup.policy", "message.timestamp.type", "max.message.bytes"}
"""What Andon cannot do without; the rest is a matter of size."""


def reached(settings: Settings) -> Iterator[Finding]:
    """It answers."""
    started = time.perf_counter()
    with administration(settings.bootstrap_servers) as admin:
        admin.list_topics()
    took_ms = (time.perf_counter() - started) * 1000
    yield ok(f"answers at {settings.bootstrap_servers} after {took_ms:.0f} ms")


def topics(settings: Settings) -> Iterator[Finding]:
    """Each topic has its partitions, retention, compaction and time stamps."""
    found = drifts(settings.bootstrap_servers, settings, check_only=True)
    yield from map(_drift, found)
    if not found:
        yield ok(f"{len(TOPICS)} topics are as they should be")


def _drift(drift: Drift) -> Finding:
    if drift.setting == EXISTENCE:
        return fail(f"{drift.topic} is missing", "andon topics apply")
    says = f"{drift.topic}: {drift.setting} is {drift.found}, should be {drift.wanted}"
    if drift.setting == "partitions":
        return warn(says, f"set ANDON_PARTITIONS={drift.found}, or move to a new topic")
    if drift.setting == "replication":
        return warn(says, "kafka-reassign-partitions, or set ANDON_REPLICATION")
    fix = (
        f"kafka-configs --alter --entity-type topics --entity-name {drift.topic} "
        f"--add-config {drift.setting}={drift.wanted}"
    )
    return fail(says, fix) if drift.setting in DOES_NOT_WORK else warn(says, fix)


def acls(settings: Settings) -> Iterator[Finding]:
    """Not everyone may write commands."""
    pattern = ResourcePatternFilter(ResourceType.TOPIC, COMMANDS, ACLResourcePatternType.MATCH)
    wanted = ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ALLOW, pattern)
    with administration(settings.bootstrap_servers) as admin:
        try:
            found, _ = admin.describe_acls(wanted)
        except SecurityDisabledError:
            fix = "give it an authorizer, or sign commands (andon keys new)"
            yield warn("the broker has none: whoever reaches it may pause and release", fix)
            return
        except KafkaError as error:
            yield warn(f"the broker does not tell: {error}", "allow this user to DescribeAcls")
            return
    writers = sorted({acl.principal for acl in found if _may_write(acl)})
    if EVERYONE in writers:
        fix = f"kafka-acls --remove --allow-principal '{EVERYONE}' --operation Write"
        yield fail(f"everyone may write to {COMMANDS}", fix)
    else:
        yield ok(f"{COMMANDS} may be written by {', '.join(writers) or 'super users alone'}")


def _may_write(acl: ACL) -> bool:
    return acl.operation in (ACLOperation.WRITE, ACLOperation.ALL)


def clock(settings: Settings) -> Iterator[Finding]:
    """This machine's clock goes as the broker's does.

    Writes a heartbeat of a guard that says goodbye, which the broker stamps and keeps for an hour.
    """
    with administration(settings.bootstrap_servers) as admin:
        if HEARTBEATS not in admin.list_topics():  # to write would create it, as it should not be
            yield warn(f"could not be compared: {HEARTBEATS} is missing", "andon topics apply")
            return
    producer = KafkaProducer(bootstrap_servers=settings.bootstrap_servers, max_block_ms=5_000)
    try:
        before = time.time()
        farewell = Heartbeat(
            workflow="andon-doctor",
            guard=uuid7(),
            automation="andon doctor",
            at=datetime.fromtimestamp(before, UTC),
            generation=0,
            state=State.CLOSED,
            leaving=True,
        )
        sent = producer.send(HEARTBEATS, farewell.to_json(), farewell.workflow.encode())
        stamped = sent.get(10).timestamp / 1000
        after = time.time()
    except KafkaError as error:
        yield warn(f"could not be compared: {error!r}", f"allow this user to write {HEARTBEATS}")
        return
    finally:
        producer.close()
    yield apart("this machine's clock", max(before - stamped, stamped - after, 0.0))


def apart(whose: str, seconds: float) -> Finding:
    """What a clock that is so far from the broker's means."""
    says = f"{whose} is {seconds:.1f} s from the broker's"
    fix = "have both follow the same time servers (NTP)"
    if seconds > AHEAD_MAX_S:
        return fail(f"{says}: events so far ahead are dead letters", fix)
    return warn(says, fix) if seconds > CLOCK_WARN_S else ok(says)
