from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner, Result

from andon.cli.policy import app
from andon.policy_file import load_policies, parse_policies
from andon.topics import EVENTS
from tests.eventlog import line

TEXT = """\
version: 1
policies:
  - name: big
    match: {workflow: "refunds*", capability: transact}
    extends: preset/transact
    without: [too-many-denied]
  - name: mail
    match: {automation: "mail-*", capability: send}
    rules: [{name: many, rate: volume, over: 1h, at_least: 5}]
  - name: rest
    rules: [{name: errors, rate: error, over: 10d, above: 5%}]
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANDON_EVENTS_RETENTION_DAYS", "20")
    path = tmp_path / "p.yaml"
    path.write_text(TEXT.replace("without: [too-many-denied]", "limits: []"))
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_a_file_without_mistakes(file: Path) -> None:
    done = run("check", file)
    assert done.exit_code == 0
    assert done.stdout == f"{file}: 0 mistakes, 0 warnings; globs were held against 0 events\n"


def test_every_mistake_is_told_in_one_go(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDON_EVENTS_RETENTION_DAYS", "7")
    text = file.read_text()
    text = text.replace("rate: volume", "rate: vlume").replace(
        "above: 5%", "above: 5%, at_least: 1"
    )
    file.write_text(text.replace("rate: error", "rate: value, colour: red"))
    done = run("check", file)
    assert done.exit_code == 1
    *told, _ = done.stdout.splitlines()
    assert [entry.removeprefix(f"{file}:").split(": ")[:2] for entry in told] == [
        ["9", "policies[1].rules[0].rate"],
        ["11", "policies[2].rules[0].over"],
        ["11", "warning"],  # a share, where nothing is divided
        ["11", "policies[2].rules[0].colour"],
        ["11", "policies[2].rules[0].above"],
        ["11", "policies[2].rules[0].currency"],
    ]


def test_what_is_no_yaml_is_a_mistake_and_what_is_not_there_an_error(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    assert run("check", path).exit_code == 2
    path.write_text("version: [")
    done = run("check", path, "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert (told["file"], told["valid"], told["events_seen"]) == (str(path), False, 0)
    (problem,) = told["problems"]
    assert (problem["line"], problem["field"], problem["warning"]) == (1, "file", False)


def test_globs_are_held_against_logs(file: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\n".join([line("a", 0, automation="mail-bot"), b"{", b"", line("b", 1)]))
    done = run("check", file, "--log", log)
    assert done.exit_code == 0
    first, last = done.stdout.splitlines()
    assert first.startswith(f"{file}:8: warning: policies[1].match.capability: 'send' matches no")
    assert last == f"{file}: 0 mistakes, 1 warnings; globs were held against 2 events"
    assert run("check", file, "--log", log, "--strict").exit_code == 1
    assert run("check", file, "--log", tmp_path / "none").exit_code == 2


def test_the_broker_knows_names_and_how_long_events_are_kept(
    broker: str, file: Path, unique: Callable[[str], str]
) -> None:
    workflow = unique("refunds")
    file.write_text(TEXT.replace("refunds*", workflow[:-1]).replace("10d", "8d"))
    with KafkaProducer(bootstrap_servers=broker) as producer:
        producer.send(EVENTS, line("a", 0, workflow=workflow), workflow.encode()).get(30)
    done = run("check", file, "--against-broker", "--bootstrap-servers", broker)
    assert done.exit_code == 1, done.output
    assert f"matches no workflow that was seen; did you mean {workflow!r}" in done.stdout
    assert "rules[0].over: 8d is longer than execute.events is kept, 7d" in done.stdout
    nobody = run("check", file, "--against-broker", "--bootstrap-servers", "127.0.0.1:1")
    assert nobody.exit_code == 2
    assert "no Kafka broker answers at 127.0.0.1:1" in nobody.stderr


def test_shows_policies_with_presets_written_out(file: Path) -> None:
    done = run("show", file)
    assert (done.exit_code, parse_policies(done.stdout)) == (0, load_policies(file))
    as_json = json.loads(run("show", file, "--json").stdout)
    assert [policy["name"] for policy in as_json["policies"]] == ["big", "mail", "rest"]
    assert run("show", file.with_name("none")).exit_code == 2


@pytest.mark.parametrize(
    ("workflow", "automation", "capability", "names"),
    [
        ("refunds-eu", "bot", "transact", ["big"]),
        ("refunds-eu", "mail-bot", "send", ["mail"]),
        ("refunds-eu", None, None, ["big", "mail", "rest"]),
        ("leads", None, "transact", ["rest"]),
        (None, "mail-bot", None, ["big", "mail", "rest"]),
        ("leads", "bot", None, ["rest"]),
    ],
)
def test_shows_what_watches_an_event(
    file: Path, workflow: str, automation: str, capability: str, names: list[str]
) -> None:
    event = {"workflow": workflow, "automation": automation, "capability": capability}
    options = [f"--{name}={value}" for name, value in event.items() if value]
    done = run("show", file, *options)
    assert [policy.name for policy in parse_policies(done.stdout).policies] == names


def test_says_where_nothing_watches(file: Path) -> None:
    file.write_text(TEXT[: TEXT.index("  - name: rest")])
    done = run("show", file, "--workflow=leads", "--capability=loop")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "nothing watches" in done.stderr
