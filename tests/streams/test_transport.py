"""The batch transport over a real broker; every worker is a process of its own."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import faust
import pytest
from faust.exceptions import ImproperlyConfigured

from streams.broker import EmbeddedBroker
from streams.transport import install
from tests.streams.transport_bench import PARTITIONS, PATIENCE_S, Bench, stop, wait_for


@pytest.fixture
def bench(broker: str, tmp_path: Path) -> Bench:
    return Bench(broker, tmp_path)


def test_every_record_comes_once_in_order_and_is_committed(bench: Bench) -> None:
    bench.produce(2000)
    bench.create("echo-" + bench.topic, partitions=1)
    with bench.worker(echo="echo-" + bench.topic) as worker:
        bench.wait_for_all()
        bench.wait_for_commit()
        assert stop(worker) == 0
    assert sorted(bench.numbers()) == list(range(2000))
    for partition in range(PARTITIONS):
        batches = [c for c in bench.calls("process") if c["partition"] == partition]
        assert [b["first"] for b in batches] == [0] + [b["last"] + 1 for b in batches[:-1]]
        assert all(len(b["numbers"]) <= 50 and b["replayed"] == 0 for b in batches)
        assert [n for b in batches for n in b["numbers"]] == list(range(partition, 2000, 4))
    assert bench.calls("assigned")[0]["fetch_wait_ms"] == 250


def test_records_are_read_however_their_producer_compresses(bench: Bench) -> None:
    for codec in ("gzip", "snappy", "lz4", "zstd"):
        bench.produce(100, codec=codec)
    with bench.worker() as worker:
        bench.wait_for_all()
        assert stop(worker) == 0
    assert sorted(bench.numbers()) == list(range(400))


def test_a_clean_stop_commits_the_batch_in_flight(bench: Bench) -> None:
    bench.produce(2000)
    with bench.worker(slow_s=0.1) as worker:
        wait_for(lambda: len(bench.calls("process")) > 3, "some batches")
        assert stop(worker) == 0
    assert len(bench.calls("begin")) == len(bench.calls("process"))
    done = dict.fromkeys(range(PARTITIONS), 0)
    done.update({call["partition"]: call["last"] + 1 for call in bench.calls("process")})
    assert bench.committed() == {p: offset for p, offset in done.items() if offset}
    assert sum(done.values()) < 2000


def test_other_topics_reach_their_agents(bench: Bench) -> None:
    other = "other-" + bench.topic
    bench.create(other)
    bench.produce(200, other)
    bench.produce(200)
    with bench.worker(agent_topic=other) as worker:
        bench.wait_for_all()
        wait_for(lambda: len(bench.calls("agent")) == 200, "the agent")
        assert stop(worker) == 0
    assert sorted(call["value"] for call in bench.calls("agent")) == list(range(200))


@pytest.mark.parametrize("fail_with", ["error", "cancel"])
def test_a_processor_that_fails_stops_the_worker_and_loses_nothing(
    bench: Bench, fail_with: str
) -> None:
    bench.produce(1000)
    with bench.worker(fail_at=500, fail_with=fail_with, slow_s=0.02) as worker:
        assert worker.wait(PATIENCE_S) > 0
    assert 500 not in bench.numbers()
    assert bench.committed()[0] <= 500 // PARTITIONS
    with bench.worker():
        bench.wait_for_all()
        bench.wait_for_commit()


def test_after_a_kill_delivery_goes_on_at_the_committed_offsets(bench: Bench) -> None:
    bench.produce(4000)
    with bench.worker(slow_s=0.03, instance="one") as killed:
        wait_for(lambda: len(bench.committed()) == PARTITIONS, "the first commits")
        stop(killed, signal.SIGKILL)
    committed = bench.committed()
    assert sum(committed.values()) < 4000
    with bench.worker(instance="one") as worker:
        bench.wait_for_all()
        bench.wait_for_commit()
    first = {call["partition"]: call["first"] for call in reversed(bench.calls("process"))}
    assert first == dict.fromkeys(range(PARTITIONS), 0)
    resumed = {c["partition"]: c["first"] for c in reversed(bench.calls("process", worker.pid))}
    assert resumed == committed


def test_a_second_worker_takes_its_share_at_the_committed_offsets(bench: Bench) -> None:
    bench.produce(6000)
    with bench.worker(slow_s=0.05, instance="one") as one:
        wait_for(lambda: len(bench.calls("process", one.pid)) > 5, "the first worker")
        with bench.worker(slow_s=0.05, instance="two") as two:
            wait_for(lambda: bench.calls("process", two.pid), "the second worker")
            bench.wait_for_all()
            bench.wait_for_commit()
    assert bench.calls("revoked", one.pid)[0]["partitions"] == [0, 1, 2, 3]
    for worker in (one, two):
        last = bench.calls("assigned", worker.pid)[-1]
        assert len(last["committed"]) == 2
        # Those that went to the other worker are unknown here, and ask for no more than that.
        assert [e for n, e in enumerate(last["known_ends"]) if str(n) not in last["committed"]] == [
            0,
            0,
        ]
        later = [c for c in bench.calls("process", worker.pid) if c["at"] > last["at"]]
        first = {str(c["partition"]): c["first"] for c in reversed(later)}
        assert first == last["committed"]


@pytest.mark.unlike_embedded("only static members can come and go there", run=False)
def test_dynamic_members_share_and_give_back_without_a_duplicate(bench: Bench) -> None:
    bench.produce(6000)
    with bench.worker(slow_s=0.05) as one:
        wait_for(lambda: len(bench.calls("process", one.pid)) > 5, "the first worker")
        with bench.worker(slow_s=0.05) as two:
            wait_for(lambda: len(bench.calls("process", two.pid)) > 5, "the second worker")
            bench.wait_for_all()
            assert stop(two) == 0
        assigned = [len(call["committed"]) for call in bench.calls("assigned", one.pid)]
        assert assigned[:2] == [4, 2]
        bench.produce(400)
        bench.wait_for_all()
        bench.wait_for_commit()
        assert stop(one) == 0
    # A revoked partition is committed as far as it was processed: nothing comes twice.
    assert len(bench.numbers()) == bench.produced


def test_a_replay_is_marked_and_commits_never_move_back(bench: Bench) -> None:
    bench.produce(2000)
    with bench.worker(instance="one") as worker:
        bench.wait_for_commit()
        assert stop(worker) == 0
    bench.produce(200)
    often = {"broker_commit_interval": 0.1}
    with bench.worker(instance="one", start=0, slow_s=0.05, settings=often) as killed:
        wait_for(lambda: len(bench.calls("process", killed.pid)) > 10, "some of the replay")
        stop(killed, signal.SIGKILL)
    assert bench.committed() == dict.fromkeys(range(PARTITIONS), 500)
    with bench.worker(instance="one", start=0) as worker:
        bench.wait_for_commit()
        assert stop(worker) == 0
    again = bench.calls("process", worker.pid)
    assert bench.calls("assigned", worker.pid)[0]["committed"] == dict.fromkeys("0123", 500)
    assert all(call["committed"] == 500 for call in again)
    assert sum(call["replayed"] for call in again) == 2000
    assert sorted(bench.numbers(worker.pid)) == list(range(2200))


def test_a_log_made_anew_is_not_taken_for_a_replay(bench: Bench) -> None:
    bench.produce(400)
    with bench.worker(instance="one") as worker:
        bench.wait_for_commit()
        assert stop(worker) == 0
    bench.delete()
    bench.create(bench.topic)
    bench.produce(80)
    with bench.worker(instance="one", start=0) as worker:
        bench.wait_for_all()
        bench.wait_for_commit(80)
    assert sorted(bench.numbers(worker.pid)) == list(range(400, 480))
    assert not any(call["replayed"] for call in bench.calls("process", worker.pid))


def test_an_outage_longer_than_sends_may_take_stops_the_worker_and_loses_nothing(
    own_broker: EmbeddedBroker, tmp_path: Path
) -> None:
    bench = Bench(own_broker.bootstrap_servers, tmp_path)
    bench.create("echo", partitions=1)
    bench.produce(2000)
    quick = {"producer_request_timeout": 2, "broker_session_timeout": 6}
    with bench.worker(instance="one", echo="echo", slow_s=0.05, settings=quick) as worker:
        wait_for(lambda: len(bench.calls("process")) > 5, "some batches")
        os.kill(own_broker.pid or 0, signal.SIGSTOP)
        try:
            wait_for(lambda: b"Crashed reason" in bench.output.read_bytes(), "the crash")
        finally:
            os.kill(own_broker.pid or 0, signal.SIGCONT)
        assert worker.wait(PATIENCE_S) > 0
    with bench.worker(instance="one", echo="echo"):
        bench.wait_for_all()
        bench.wait_for_commit()


@pytest.mark.parametrize(
    "plan",
    [
        {"start": 5},
        {
            "assigned_s": 3600,
            "settings": {"broker_session_timeout": 6, "broker_request_timeout": 6},
        },
    ],
    ids=["beyond", "late"],
)
def test_a_bad_answer_to_assigned_stops_the_worker(bench: Bench, plan: dict[str, Any]) -> None:
    bench.produce(40)
    with bench.worker(**plan) as worker:
        assert worker.wait(PATIENCE_S) > 0
    assert bench.numbers() == []


@pytest.mark.parametrize(
    "setting", [{"consumer_auto_offset_reset": "latest"}, {"processing_guarantee": "exactly_once"}]
)
def test_settings_that_lose_records_are_refused(setting: dict[str, str], tmp_path: Path) -> None:
    app = faust.App("settings", broker="kafka://127.0.0.1:1", datadir=tmp_path, **setting)
    with pytest.raises(ImproperlyConfigured, match=next(iter(setting))):
        install(app, ["events"], object())
