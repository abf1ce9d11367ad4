from __future__ import annotations

import json
from pathlib import Path

import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner, Result

from andon.cli.policy import app
from andon.policy_file import load_policies, parse_policies
from andon.topics import POLICIES

TEXT = """\
version: 1
policies:
  - {name: mail, match: {workflow: "mail*", capability: send}, extends: preset/send}
  - {name: rest, mode: shadow, rules: [{name: many, rate: volume, over: 1h, at_least: 5}]}
"""


@pytest.fixture
def file(no_policies: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A policy file, beside a broker that holds no policies."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", no_policies)
    path = tmp_path / "p.yaml"
    path.write_text(TEXT)
    return path


def run(*arguments: str | Path, status: int = 0) -> Result:
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == status, done.output
    return done


def test_push_pull_list_and_diff(file: Path, tmp_path: Path) -> None:
    for command in ("pull", "list"):
        assert "holds no policies; run `andon policy push FILE`" in run(command, status=1).stderr
    assert "+  - name: mail" in run("diff", file, status=1).stdout

    book = load_policies(file)
    assert run("push", file, "--user=ana").stdout == f"{book.fingerprint}: added mail, rest\n"
    assert run("diff", file).stdout == ""
    assert parse_policies(run("pull").stdout) == book
    run("pull", "--out", tmp_path / "pulled.yaml")
    assert load_policies(tmp_path / "pulled.yaml") == book
    run("pull", "--out", tmp_path, status=2)
    heads, mail, rest = run("list").stdout.splitlines()
    assert heads.split()[:4] == ["Policy", "Version", "Mode", "Rules"]
    assert mail.split()[::2] == ["mail", "enforce", "mail*", "send"]
    assert rest.split()[:3] == ["rest", book.policies[1].version, "shadow"]

    file.write_text(TEXT.replace("at_least: 5", "at_least: 6"))
    assert (
        "\n-      - {name: many, rate: volume, over: 1h, at_least: 5}\n"
        in run("diff", file, status=1).stdout
    )
    told = json.loads(run("push", file, "--json").stdout)
    assert (told["previous"], told["changed"]) == (book.fingerprint, ["rest"])
    assert told["policies"] == load_policies(file).fingerprint
    assert run("push", file).stdout.endswith(": no difference\n")


def test_json_everywhere(file: Path) -> None:
    differs = json.loads(run("diff", file, "--json", status=1).stdout)
    nothing = {"changed": [], "removed": [], "reordered": False, "auto_pause": False}
    assert differs == {"added": ["mail", "rest"], **nothing}
    run("push", file)
    pulled = json.loads(run("pull", "--json").stdout)
    assert [policy["name"] for policy in pulled["policies"]] == ["mail", "rest"]
    listed = json.loads(run("list", "--json").stdout)
    assert listed["policies"] == load_policies(file).fingerprint
    assert listed["held"][1] == {
        "name": "rest",
        "version": load_policies(file).policies[1].version,
        "mode": "shadow",
        "rules": 1,
        "workflow": "*",
        "automation": "*",
        "capability": "*",
    }


def test_what_the_file_does_not_hold_goes_only_when_told(file: Path) -> None:
    run("push", file)
    file.write_text("version: 1\npolicies: [{name: new, match: {workflow: new}}]\n")
    refused = run("push", file, status=1)
    assert "the broker also holds mail, rest: --prune takes them out" in refused.stderr
    assert "no difference" not in run("push", file, "--keep").stdout
    names = [policy.name for policy in parse_policies(run("pull").stdout).policies]
    assert names == ["new", "mail", "rest"]
    assert ": removed mail, rest" in run("push", file, "--prune").stdout
    assert parse_policies(run("pull").stdout) == load_policies(file)


def test_nothing_with_a_mistake_is_pushed(file: Path) -> None:
    file.write_text(TEXT.replace("over: 1h", "over: 8d").replace("mode: shadow", "mode: loud"))
    told = run("push", file, status=1).stderr.splitlines()
    assert [line.removeprefix(f"{file}:").split(": ")[:2] for line in told] == [
        ["4", "policies[1].rules[0].over"],
        ["4", "policies[1].mode"],
    ]
    run("list", status=1)
    file.write_text(TEXT + "  - [")
    run("push", file, status=1)
    run("push", file.with_name("none"), status=2)
    run("push", file, "--bootstrap-servers", "127.0.0.1:1", status=1)


def test_warnings_do_not_stop_a_push(file: Path) -> None:
    file.write_text(TEXT.replace("over: 1h", "over: 4d"))
    assert "warning: policies[1].rules[0].over: a restart needs twice" in run("push", file).stderr


def test_without_a_broker(file: Path) -> None:
    for command in (["push", file], ["diff", file], ["pull"], ["list"]):
        done = run(*command, "--bootstrap-servers", "127.0.0.1:1", status=2)
        assert "no Kafka broker answers at 127.0.0.1:1" in done.stderr


def test_what_somebody_else_wrote_is_told_and_can_be_replaced(file: Path, no_policies: str) -> None:
    with KafkaProducer(bootstrap_servers=no_policies) as producer:
        producer.send(POLICIES, b'{"name": "odd"}', b"odd").get(30)
    assert "odd: was not written by `andon policy push`" in run("pull", status=1).stderr
    assert "use --prune" in run("push", file, "--keep", status=1).stderr
    run("push", file, "--prune")
    assert parse_policies(run("pull").stdout) == load_policies(file)
