"""The guard over a real broker, in processes of their own where that matters."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from unittest import mock

import pytest
from kafka import KafkaAdminClient

from andon import BreakerOpen, Guard, Outcome, State, topics
from andon.guard.kafka import KafkaTransport
from andon.rest import REST_S, SHARE
from streams.broker import EmbeddedBroker
from streams.settings import Settings
from streams.topics import apply
from tests.andon.guarding import command
from tests.andon.streaming import (
    acks,
    ended,
    events,
    program,
    run,
    tell,
    tell_raw,
    until,
)

Unique = Callable[[str], str]

AUTOMATION = """
    from andon import BreakerOpen, Guard
    guard = Guard(automation="refund-bot")
    assert guard.ready(20)
    print("ready", flush=True)
    try:
        while True:
            with guard.attempt("transact", "refund.create", value=5, currency="USD"):
                pass
            input()
    except BreakerOpen as refusal:
        print(refusal.generation, refusal.reason)
    assert guard.flush(20)
"""

needs_threads_at_exit = pytest.mark.skipif(
    (3, 12, 0) <= sys.version_info < (3, 12, 3),
    reason="Python 3.12.0 to 3.12.2 start no thread once the main thread has ended (gh-113964)",
)


def act(guard: Guard, *names: str) -> None:
    for name in names:
        with guard.attempt("trigger", name):
            pass


def free_port() -> int:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return int(closed.getsockname()[1])


# --- commands and acks -------------------------------------------------------------------------


def test_trip_stops_an_automation_in_another_process(broker: str, unique: Unique) -> None:
    workflow = unique("refunds")
    with program(AUTOMATION, broker, ANDON_WORKFLOW=workflow) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        tell(broker, command(workflow, 1, State.OPEN))
        (ack,) = until(lambda: acks(broker, workflow), "the ack")
        process.stdin.write("go on\n")
        process.stdin.flush()
        assert ended(process).startswith("1 7.1% of refunds reversed")
    assert (ack.generation, ack.automation, ack.in_flight) == (1, "refund-bot", 0)
    assert [event.outcome for event in events(broker, workflow)] == ["success", "denied"]


def test_late_start_knows_the_state_before_its_first_action(broker: str, unique: Unique) -> None:
    workflow = unique("refunds")
    states = [State.OPEN, State.HALF_OPEN, State.FORCED_OPEN]
    tell(broker, *(command(workflow, g, state) for g, state in enumerate(states, start=1)))
    with program(AUTOMATION, broker, ANDON_WORKFLOW=workflow) as process:
        assert ended(process).startswith("ready\n3 7.1%")
    (event,) = events(broker, workflow)
    assert (event.outcome, event.reason) == (Outcome.DENIED, "paused, generation 3")
    assert [ack.generation for ack in acks(broker, workflow)] == [3]


def test_records_that_are_no_commands_are_counted_and_passed_over(
    broker: str, unique: Unique
) -> None:
    workflow = unique("refunds")
    key, other = workflow.encode(), unique("other")
    with Guard(workflow, "refund-bot", bootstrap_servers=broker) as guard:
        assert guard.ready()
        tell_raw(
            broker,
            (key, b"\xff"),
            (key, b'{"state": "AJAR"}'),
            (key, command(other, 9, State.CLOSED).to_json()),
            (key, None),
            (other.encode(), b"not ours to read"),
            (key, command(workflow, 2, State.OPEN).to_json()),
        )
        until(lambda: guard.state.generation == 2, "the good one")
        faults = guard.stats()["andon_guard_faults_total"]
        assert isinstance(faults, dict)
        assert faults["command"] == 3


def test_a_guard_that_hears_nothing_asks_every_10_ms_at_most(broker: str) -> None:
    with contextlib.closing(KafkaTransport([broker], {}).read(topics.COMMANDS)) as log:
        while not log.caught_up():
            log.poll(0.1)
        log.poll(1.2 * REST_S / SHARE)  # so long after a record it asks more often
        fetcher = log._consumer._fetcher
        with mock.patch.object(fetcher, "send_fetches", wraps=fetcher.send_fetches) as asked:
            began = time.monotonic()
            assert log.poll(0.5) == []
            assert 1 <= asked.call_count <= (time.monotonic() - began) / REST_S + 1


# --- without a broker --------------------------------------------------------------------------


def test_without_a_broker_the_application_goes_on_in_bounded_memory() -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    guard = Guard("refunds", "refund-bot", bootstrap_servers=nowhere, queue_max=100)
    act(guard, *map(str, range(1000)))
    assert not guard.ready(0.1)
    stats = guard.stats()
    assert stats["andon_guard_queued_events"] == 100
    assert stats["andon_guard_events_total"] == {
        "queued": 1000, "sent": 0, "dropped": 900, "failed": 0,
    }  # fmt: skip
    assert stats["andon_guard_connected"] == 0
    assert not guard.close(0.2)
    assert guard.stats()["andon_guard_queued_events"] == 0


def test_without_a_broker_a_process_ends_in_time_and_silence() -> None:
    source = """
        from andon import Guard
        guard = Guard("refunds", "refund-bot", exit_timeout_s=0.3)
        with guard.attempt("send", "mail.send"):
            print("acted")
    """
    assert run(source, f"127.0.0.1:{free_port()}") == "acted\n"


def test_process_whose_broker_died_ends_in_time_and_silence(
    own_broker: EmbeddedBroker, unique: Unique
) -> None:
    apply(own_broker.bootstrap_servers, Settings())
    source = """
        from andon import Guard
        guard = Guard(automation="refund-bot", exit_timeout_s=0.3)
        for number in range(2):
            with guard.attempt("send", "mail.send"):
                pass
            print(number, number or guard.flush(20), flush=True)
            input()
    """
    address = own_broker.bootstrap_servers
    with program(source, address, ANDON_WORKFLOW=unique("mails")) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "0 True\n"
        own_broker.kill()
        process.stdin.write("act\nend\n")
        process.stdin.flush()
        assert ended(process) == "1 1\n"


def test_what_waits_while_the_broker_restarts_arrives(
    own_broker: EmbeddedBroker, unique: Unique
) -> None:
    workflow, address = unique("refunds"), own_broker.bootstrap_servers
    apply(address, Settings())
    with Guard(workflow, "refund-bot", bootstrap_servers=address) as guard:
        assert guard.ready()
        act(guard, "before")
        assert guard.flush()
        own_broker.stop()
        act(guard, *(f"during-{n}" for n in range(50)))
        own_broker.start()
        act(guard, "after")
        assert guard.flush(30)
        tell(address, command(workflow, 1, State.OPEN))
        until(lambda: guard.state.state is State.OPEN, "the pause after the restart")
        assert guard.flush(30)
    names = list(dict.fromkeys(event.action for event in events(address, workflow)))
    assert names == ["before", *(f"during-{n}" for n in range(50)), "after"]
    assert [ack.generation for ack in acks(address, workflow)] == [1]


def test_topics_that_do_not_exist_yet_are_waited_for_and_not_made(
    own_broker: EmbeddedBroker, unique: Unique
) -> None:
    workflow, address = unique("refunds"), own_broker.bootstrap_servers
    with Guard(workflow, "refund-bot", bootstrap_servers=address) as guard:
        act(guard, "early")
        until(lambda: fault(guard, "connection") >= 3, "both threads to have tried")
        assert not guard.ready(0)
        assert apply(address, Settings()) == [], "a guard made a topic as it should not be"
        assert guard.ready(30)
        assert guard.flush(30)
    assert [event.action for event in events(address, workflow)] == ["early"]


def fault(guard: Guard, kind: str) -> int:
    faults = guard.stats()["andon_guard_faults_total"]
    assert isinstance(faults, dict)
    return faults[kind]


# --- processes ---------------------------------------------------------------------------------


ENDS = {
    "falls off its end": "",
    "exits": "raise SystemExit(0)",
    "ends within a task": "import asyncio; asyncio.run(asyncio.sleep(0))",
}


@needs_threads_at_exit
@pytest.mark.parametrize("ending", ENDS.values(), ids=ENDS.keys())
def test_process_that_ends_at_once_delivers_its_events(
    broker: str, unique: Unique, ending: str
) -> None:
    workflow = unique("refunds")
    source = f"""
        from andon import Guard
        guard = Guard(automation="refund-bot")
        for number in range(3):
            with guard.attempt("transact", "refund.create", step=number):
                pass
        {ending}
    """
    assert run(source, broker, ANDON_WORKFLOW=workflow) == ""
    assert [event.step for event in events(broker, workflow)] == [0, 1, 2]


def test_forked_children_are_guards_of_their_own(broker: str, unique: Unique) -> None:
    workflow = unique("refunds")
    tell(broker, command(workflow, 1, State.HALF_OPEN))
    source = """
        import multiprocessing
        from andon import Guard

        guard = Guard(automation="refund-bot")
        assert guard.ready(20)

        def work(number):
            with guard.attempt("transact", "refund.create", step=number):
                assert guard.ready(20)

        work(0)
        fork = multiprocessing.get_context("fork")
        children = [fork.Process(target=work, args=(number,)) for number in (1, 2)]
        for child in children:
            child.start()
        for child in children:
            child.join()
        print(*(child.exitcode for child in children))
    """
    assert run(source, broker, ANDON_WORKFLOW=workflow) == "0 0\n"
    assert sorted(event.step or 0 for event in events(broker, workflow)) == [0, 1, 2]
    told = acks(broker, workflow)
    assert [ack.generation for ack in told] == [1, 1, 1]
    assert len({ack.guard for ack in told}) == 3


def test_command_reaches_a_guard_that_many_threads_use(broker: str, unique: Unique) -> None:
    workflow = unique("refunds")
    ran = [0] * 8

    with Guard(workflow, "refund-bot", bootstrap_servers=broker) as guard:
        assert guard.ready()

        def work(place: int) -> None:
            try:
                while True:
                    with guard.attempt("trigger", "job"):
                        ran[place] += 1
            except BreakerOpen:
                pass

        threads = [threading.Thread(target=work, args=(place,)) for place in range(len(ran))]
        for thread in threads:
            thread.start()
        tell(broker, command(workflow, 1, State.OPEN))
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        counts = guard.stats()["andon_guard_actions_total"]
    assert counts == {"success": sum(ran), "error": 0, "denied": len(ran)}


def test_two_guards_of_one_process_hear_their_own_workflows(broker: str, unique: Unique) -> None:
    first, second = unique("refunds"), unique("mails")
    with (
        Guard(first, "bot", bootstrap_servers=broker) as paused,
        Guard(second, "bot", bootstrap_servers=broker) as runs,
    ):
        assert paused.ready()
        assert runs.ready()
        tell(broker, command(first, 1, State.OPEN))
        until(lambda: paused.state.state is State.OPEN, "the pause")
        runs.check()
        assert runs.state.generation == 0


def test_no_thread_and_no_file_is_left_behind(broker: str, unique: Unique) -> None:
    def held() -> tuple[int, int]:
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    def live() -> None:
        with Guard(unique("refunds"), "bot", bootstrap_servers=broker) as guard:
            assert guard.ready()
            act(guard, "one")

    live()  # starts the thread that waits for the end of the process
    before = held()
    for _ in range(3):
        live()
    until(lambda: held() <= before, "threads and files to be given back")


def test_a_broker_without_the_topic_of_heartbeats_gets_all_events(
    own_broker: EmbeddedBroker,
) -> None:
    address = own_broker.bootstrap_servers
    with KafkaAdminClient(bootstrap_servers=address) as admin:
        admin.create_topics(
            {name: {"num_partitions": 1} for name in (topics.EVENTS, topics.COMMANDS, topics.ACKS)}
        )
    with Guard("refunds", "refund-bot", bootstrap_servers=address) as guard:
        assert guard.ready(20)
        for _ in range(20):
            with guard.attempt("transact", "refund.create"):
                pass
        assert guard.flush(20)
    assert len(events(address, "refunds")) == 20
