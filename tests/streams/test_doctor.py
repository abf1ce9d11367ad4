"""The doctor finds what is missing, and says what to do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from typer.testing import CliRunner

from andon.breaker import State
from andon.cli.commands import app
from andon.commands import Command, Heartbeat, Reason
from andon.events import parse_ts
from andon.signing import write_new_key
from andon.topics import ACKS, COMMANDS, HEARTBEATS
from streams.broker import EmbeddedBroker
from streams.doctor import CHECKS
from streams.doctor.broker import apart
from streams.settings import Settings
from streams.topics import apply

GOOD = "version: 1\npolicies: [{name: mail, rules: [{name: m, rate: error, over: 1h, above: 5%}]}]"
Look = Callable[..., tuple[int, dict[str, list[tuple[str, str, str]]]]]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No policy file lies around, no key is set."""
    monkeypatch.chdir(tmp_path)
    for name in ("ANDON_SIGNING_KEY", "ANDON_VERIFY_KEYS", "ANDON_POLICY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def look(own_broker: EmbeddedBroker) -> Look:
    """What the doctor finds at a broker of its own, by check, and its exit status."""

    def doctor(*options: str) -> tuple[int, dict[str, list[tuple[str, str, str]]]]:
        address = ["--bootstrap-servers", own_broker.bootstrap_servers]
        done = CliRunner().invoke(app, ["doctor", "--json", *address, *options])
        assert done.stdout, done.exception
        found: dict[str, list[tuple[str, str, str]]] = {}
        for row in json.loads(done.stdout)["checks"]:
            found.setdefault(row["check"], []).append((row["status"], row["says"], row["fix"]))
        return done.exit_code, found

    return doctor


def test_without_a_broker_it_says_how_to_get_one_and_what_it_could_not_see() -> None:
    done = CliRunner().invoke(app, ["doctor", "--bootstrap-servers", "127.0.0.1:1"])
    assert done.exit_code == 2
    lines = done.stdout.splitlines()
    assert "start one with `andon broker`" in lines[1]
    assert [line.split("  ")[0] for line in lines[1:]] == [check.name for check in CHECKS]


def test_every_finding_that_is_not_ok_says_what_to_do(
    look: Look, own_broker: EmbeddedBroker
) -> None:
    status, found = look()
    assert status == 2
    assert ("fail", "execute.events is missing", "andon topics apply") in found["topics"]

    apply(own_broker.bootstrap_servers, Settings())
    status, found = look()
    assert found["topics"][0][0] == "ok"
    assert found["clock"][0][0] == "ok"
    assert found["acls"][0][0] == "warn"
    assert found["keys"][0][0] == "warn"
    assert found["monitor"][0][:2] == (
        "fail",
        "none runs in group andon-monitor: nothing is watched",
    )
    assert found["guards"][0][0] == "warn"
    assert found["policy"][0][2] == "name a file in ANDON_POLICY, or andon policy push FILE"
    assert all(fix for rows in found.values() for state, _, fix in rows if state != "ok")
    assert status == 2


def test_topics_that_andon_cannot_work_with(look: Look, own_broker: EmbeddedBroker) -> None:
    with KafkaAdminClient(bootstrap_servers=own_broker.bootstrap_servers) as admin:
        admin.create_topics(
            {
                COMMANDS: {
                    "num_partitions": 4,
                    "replication_factor": 1,
                    "configs": {"cleanup.policy": "delete", "retention.ms": "1000"},
                },
                ACKS: {"num_partitions": 2, "replication_factor": 1},
            }
        )
    _, found = look()
    told = {says: (state, fix) for state, says, fix in found["topics"]}
    state, fix = told["andon.commands: cleanup.policy is delete, should be compact"]
    assert state == "fail"
    assert fix.endswith("--entity-name andon.commands --add-config cleanup.policy=compact")
    assert told["andon.acks: partitions is 2, should be 4"][0] == "warn"


def test_policies_of_a_file(look: Look, tmp_path: Path, own_broker: EmbeddedBroker) -> None:
    apply(own_broker.bootstrap_servers, Settings())
    file = tmp_path / "policy.yaml"
    file.write_text(GOOD)
    assert [state for state, _, _ in look()[1]["policy"]] == ["ok"]
    file.write_text(GOOD.replace("above", "abov"))
    state, says, _ = look("--policy", str(file))[1]["policy"][0]
    assert state == "fail"
    assert f"{file}:2: policies[0].rules[0]" in says


def test_keys(
    look: Look, tmp_path: Path, own_broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(own_broker.bootstrap_servers, Settings())
    key = tmp_path / "key.pem"
    ours, other = write_new_key(key), write_new_key(tmp_path / "other.pem")
    monkeypatch.setenv("ANDON_SIGNING_KEY", str(key))
    assert look()[1]["keys"] == [("ok", f"signed with {ours.public}", "")]
    key.chmod(0o644)
    assert look()[1]["keys"][0][2] == f"chmod 600 {key}"
    monkeypatch.setenv("ANDON_VERIFY_KEYS", other.public)
    assert look()[1]["keys"][0][0] == "fail"

    unsigned = Command(
        command_id="1",
        workflow="refunds",
        generation=1,
        state=State.OPEN,
        reason=Reason(text="forged"),
        issued_at=parse_ts("2026-01-31T08:00:00Z"),
        issued_by="monitor",
    )
    with KafkaProducer(bootstrap_servers=own_broker.bootstrap_servers) as producer:
        producer.send(COMMANDS, unsigned.to_json(), b"refunds").get(30)
    assert look()[1]["signatures"][0][:2] == (
        "fail",
        "1 commands bear no trusted signature; guards refuse them",
    )


def test_clocks(look: Look, own_broker: EmbeddedBroker) -> None:
    assert [apart("it", seconds).status for seconds in (0.1, 6, 301)] == ["ok", "warn", "fail"]
    apply(own_broker.bootstrap_servers, Settings())
    late = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 20))
    beat = Heartbeat(
        workflow="refunds",
        guard="g1",
        automation="bot",
        at=parse_ts(late),
        generation=0,
        state=State.CLOSED,
    )
    with KafkaProducer(bootstrap_servers=own_broker.bootstrap_servers) as producer:
        producer.send(HEARTBEATS, beat.to_json(), b"refunds").get(30)
    _, found = look()
    state, says, _ = found["guard clocks"][0]
    assert state == "warn"
    assert "g1's clock" in says
    assert found["guards"] == [("ok", "1 live, of 1 workflows", "")]
