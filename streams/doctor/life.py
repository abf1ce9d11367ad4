"""Who is there: a monitor that keeps up, guards that live, obey, and know the time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import GroupIdNotFoundError

from andon.commands import Heartbeat
from andon.topics import ACKS, COMMANDS, EVENTS, HEARTBEATS
from streams.canary import last_round
from streams.closed_loop import LIVE, ClosedLoop, Fact
from streams.commands_log import open_log
from streams.doctor.broker import apart
from streams.doctor.finding import Finding, fail, ok, warn
from streams.settings import Settings
from streams.topics import administration

LAG_WARN = 10_000
"""Records: more than a second of work of one monitor is waiting."""


def signatures(settings: Settings) -> Iterator[Finding]:
    """What stands in the log was signed by a trusted key."""
    log = asyncio.run(_log(settings))
    if log.refused:
        fix = "see the runbook of AndonCommandRefused; sign it anew: andon trip, or andon reset"
        yield fail(f"{log.refused} commands bear no trusted signature; guards refuse them", fix)
    elif settings.keys.verifier is None:
        yield ok("are not asked for")
    else:
        yield ok(f"of all commands of {len(log.commands)} workflows are good")


def monitor(settings: Settings) -> Iterator[Finding]:
    """Somebody watches, and keeps up."""
    group = settings.group
    with administration(settings.bootstrap_servers) as admin:
        members = _members(admin, group)
        done = admin.list_group_offsets([group])[group]
        parts = [
            TopicPartition(EVENTS, part["partition_index"])
            for topic in admin.describe_topics([EVENTS])
            for part in topic["partitions"]
        ]
        begin = admin.list_partition_offsets(dict.fromkeys(parts, OffsetSpec.EARLIEST))
        ends = admin.list_partition_offsets(dict.fromkeys(parts, OffsetSpec.LATEST))
    lag = sum(
        ends[at].offset - (done[at].offset if at in done else begin[at].offset) for at in parts
    )
    if not members:
        yield fail(f"none runs in group {group}: nothing is watched", "andon monitor")
        return
    says = f"{len(members)} in group {group}, {lag:,} events behind"
    fix = "start one more with the same ANDON_GROUP, up to one a partition"
    yield warn(says, fix) if lag > LAG_WARN else ok(says)


def _members(admin: KafkaAdminClient, group: str) -> list[Any]:
    try:
        members: list[Any] = admin.describe_groups([group])[group]["members"]
    except GroupIdNotFoundError:  # as brokers since 4.0 say of a group that never was
        return []
    return members


def canary(settings: Settings) -> Iterator[Finding]:
    """A workflow that trips itself was paused, told and let go of late."""
    last = asyncio.run(last_round(settings.bootstrap_servers))
    if last is None:
        yield warn("none was ever seen: nothing proves that pausing works", "andon canary")
        return
    says = f"{last.reason.text}, at {last.since:%Y-%m-%d %H:%M:%S} UTC"
    if last.kind == "canary_failed":
        yield fail(says, "see the runbook of AndonCanarySilent")
    elif last.next_by is not None and datetime.now(UTC) > last.next_by:
        yield fail(f"is silent: {says}", "andon canary")
    else:
        yield ok(says)


def guards(settings: Settings) -> Iterator[Finding]:
    """Guards live, and those of a paused workflow obey."""
    loop = ClosedLoop(datetime.now(UTC))
    for fact in asyncio.run(_log(settings)).take_facts():
        loop.take(fact)
    found = loop.guards(datetime.now(UTC))
    for name, workflow in sorted(found.items()):
        if workflow.missing:
            says = f"{name}: {workflow.missing} of {workflow.live} guards do not obey its pause"
            yield fail(says, f"andon status; end the automation's process where {name} is paused")
    if not any(workflow.missing for workflow in found.values()):
        live = sum(workflow.live for workflow in found.values())
        silent = f"none was heard in the last {LIVE.total_seconds():.0f} s: no action is watched"
        fix = "start the automations, and see that their guards reach this broker"
        yield ok(f"{live} live, of {len(found)} workflows") if live else warn(silent, fix)


def guard_clocks(settings: Settings) -> Iterator[Finding]:
    """The clocks of guards go as the broker's does."""
    beats = [fact for fact in asyncio.run(_log(settings)).take_facts() if _of_guard(fact)]
    if not beats:
        yield ok("no guard was heard lately")
        return
    worst = max(beats, key=_apart_s)
    assert isinstance(worst.record, Heartbeat)
    yield apart(f"of {len(beats)} heartbeats, {worst.record.guard}'s clock", _apart_s(worst))


def _of_guard(fact: Fact) -> bool:
    return isinstance(fact.record, Heartbeat) and not fact.record.leaving


def _apart_s(fact: Fact) -> float:
    assert isinstance(fact.record, Heartbeat)
    return abs((fact.record.at - fact.at).total_seconds())


async def _log(settings: Settings) -> Any:
    keys = settings.keys
    async with open_log(
        settings.bootstrap_servers, COMMANDS, ACKS, HEARTBEATS, verifier=keys.verifier
    ) as log:
        return log
