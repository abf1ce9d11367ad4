"""A monitor is stopped and killed while events flow: what it decides is as if it never was."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from andon.breaker import State
from andon.policy import PolicyBook
from andon.topics import COMMANDS, EVENTS, SCOPES
from detectors.columns import Records
from detectors.line import Line
from detectors.plan import compile_book
from tests.andon.streaming import until
from tests.e2e.harness import Kafka, Monitor
from tests.eventlog import book, book_of
from tests.wild import MODELS, RECOVER, RULES, a_wild_log, once, uninterrupted

WORKFLOWS = [f"refunds-{n}" for n in range(8)]
POLICY: dict[str, Any] = {"name": "only", "rules": RULES, "recover": RECOVER}
BOOK = book(*RULES, recover=RECOVER)
ALL: list[dict[str, Any]] = [
    POLICY,
    POLICY | {"name": "all", "breaker": "all"},
    POLICY | {"name": "odd", "breaker": {"target": "odd"}, "match": {"target": "t*[13579]"}},
]


class Flow:
    """A log that is written bit by bit."""

    def __init__(self, kafka: Kafka, chance: random.Random) -> None:
        self._kafka, self._chance = kafka, chance
        self._log = a_wild_log(chance, WORKFLOWS, 3000)

    def go_on(self, records: int) -> None:
        """The next records; then a moment, as long as chance will have it."""
        some, self._log = self._log[:records], self._log[records:]
        self._kafka.produce((_key(value), value) for value in some)
        time.sleep(self._chance.random() / 2)


def _key(value: bytes) -> bytes:
    """An event's workflow; a record that is none goes with the first one's."""
    found = [name for name in WORKFLOWS if f'"{name}"'.encode() in value]
    return (found or WORKFLOWS)[0].encode()


def assert_nothing_differs(kafka: Kafka, book: PolicyBook) -> None:
    """Commands, audit and alerts, each id once, are those of lines that read the log in one go."""
    expected = [
        written
        for topic in (EVENTS, SCOPES)
        for partition, log in by_partition(kafka, topic).items()
        for written in uninterrupted(book, topic, partition, log)
    ]
    states = {move.state for life in once(expected, COMMANDS).values() for _, move in life}
    assert states == {State.OPEN, State.HALF_OPEN, State.CLOSED}
    for topic in MODELS:
        found = [(topic, each.key.decode(), each.value) for each in kafka.read(topic)]
        assert once(found, topic) == once(expected, topic)


def assert_all_is_forwarded(kafka: Kafka, book: PolicyBook) -> None:
    """Each scope has what its policies forward, in the order of each partition."""
    found: dict[bytes, dict[bytes, None]] = {}
    for record in kafka.read(SCOPES):
        found.setdefault(record.key, {}).setdefault(record.value)
    for log in by_partition(kafka, EVENTS).values():
        line = Line(compile_book(book))
        forwards = line.take(Records([record.value for record in log])).forwards
        for scope in {forward.scope for forward in forwards}:
            mine = list(dict.fromkeys(f.value for f in forwards if f.scope == scope))
            theirs = found[scope.encode()]
            assert [value for value in theirs if value in set(mine)] == mine
            for value in mine:
                theirs.pop(value)
    assert not any(found.values())


def by_partition(kafka: Kafka, topic: str) -> dict[int, list[Any]]:
    log = kafka.read(topic)
    return {at: [each for each in log if each.partition == at] for at in kafka.ends(topic)}


@pytest.mark.parametrize("snapshot_every_s", ["0.1", "1e9"])
def test_killed_and_stopped_at_any_point(
    own_kafka: Kafka, tmp_path: Path, snapshot_every_s: str
) -> None:
    chance = random.Random(1)
    flow = Flow(own_kafka, chance)
    often = {"ANDON_SNAPSHOT_EVERY_S": snapshot_every_s}
    with Monitor(own_kafka.address, tmp_path, ALL, "--no-alerts", **often) as monitor:
        for how in (signal.SIGKILL, signal.SIGTERM):
            before = sum(own_kafka.committed(monitor.group).values())
            flow.go_on(400)
            until(lambda: sum(own_kafka.committed(monitor.group).values()) > before, "a commit")  # noqa: B023
            flow.go_on(400)
            assert monitor.stop(how) == (-9 if how is signal.SIGKILL else 0)
            flow.go_on(50)
            monitor.start()
        flow.go_on(3000)
        monitor.catch_up(own_kafka)
    assert_nothing_differs(own_kafka, book_of(*ALL))
    assert_all_is_forwarded(own_kafka, book_of(*ALL))
    assert {"andon:all", "andon:target:odd"} <= {
        record.key.decode() for record in own_kafka.read(COMMANDS)
    }


def test_one_of_two_workers_is_killed(own_kafka: Kafka, tmp_path: Path) -> None:
    flow = Flow(own_kafka, random.Random(3))

    def worker(name: str) -> Monitor:
        often = {"ANDON_SNAPSHOT_EVERY_S": "0.1"}  # each may go on from the other's
        return Monitor(own_kafka.address, tmp_path, [POLICY], "--no-alerts", name=name, **often)

    with worker("one") as one, worker("two") as two:
        flow.go_on(800)
        until(lambda: len(one.partitions()) == len(two.partitions()) == 2, "both to have a share")
        assert not one.partitions() & two.partitions()
        flow.go_on(800)
        one.kill()
        flow.go_on(400)
        one.start()  # the embedded broker gives the partitions of the dead to nobody else
        flow.go_on(3000)
        two.catch_up(own_kafka)
    assert_nothing_differs(own_kafka, BOOK)


def test_a_restart_goes_on_from_where_it_was(own_kafka: Kafka, tmp_path: Path) -> None:
    flow = Flow(own_kafka, random.Random(5))
    with Monitor(own_kafka.address, tmp_path, [POLICY], "--no-alerts") as monitor:
        flow.go_on(1500)
        monitor.catch_up(own_kafka)
        assert monitor.stop() == 0
        monitor.start()
        flow.go_on(100)
        monitor.catch_up(own_kafka)
        assert monitor.metric("andon_records_total") == 100
        flow.go_on(3000)
        monitor.catch_up(own_kafka)
    assert_nothing_differs(own_kafka, BOOK)
