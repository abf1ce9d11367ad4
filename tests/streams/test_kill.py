"""`andon kill` and what lets a scope go, on a broker of this file's own: it stops everybody."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from andon.breaker import State
from andon.cli.commands import app
from andon.commands import Alert, Command
from andon.topics import ALERTS, COMMANDS
from streams.control import reset, trip
from tests.andon.streaming import records

ALL = "andon:all"


def cli(broker: str, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--bootstrap-servers", broker])


def commands(broker: str, scope: str) -> list[Command]:
    return [Command.model_validate_json(value) for value in records(broker, COMMANDS, scope)]


@pytest.mark.parametrize(
    ("options", "scope", "words", "targets"),
    [
        ([], ALL, "everything", None),
        (["--automation", "bot"], "andon:automation:bot", "automation bot", None),
        (["--target", "paypal"], "andon:target:paypal", "target paypal", None),
        (
            ["--target", "stripe", "--matching", "ch_*", "--matching", "pi_*"],
            "andon:target:stripe",
            "target stripe",
            ["ch_*", "pi_*"],
        ),
        (["--tenant", "acme corp"], "andon:tenant:acme corp", "tenant acme corp", None),
    ],
)
def test_stops_a_scope_and_says_how_to_let_it_go(
    policy_broker: str, options: list[str], scope: str, words: str, targets: list[str] | None
) -> None:
    done = cli(policy_broker, "kill", *options, "--reason", "it sends nonsense", "--user", "ana")
    assert done.exit_code == 0, done.output
    first, *_, last = done.stdout.splitlines()
    assert first == f"{words}: Paused by hand (generation 1)"
    assert last.startswith("let it go with: andon reset ")
    assert scope in last
    (command,) = commands(policy_broker, scope)
    assert (command.state, command.issued_by) == (State.FORCED_OPEN, "user:ana")
    assert command.targets == targets
    (value,) = records(policy_broker, ALERTS, scope)
    alert = Alert.model_validate_json(value)
    assert alert.title == f"{words[0].upper()}{words[1:]} paused by ana: it sends nonsense"
    again = cli(policy_broker, "kill", *options, "--reason", "again")
    assert again.exit_code == 1

    status = cli(policy_broker, "status").stdout
    assert f"{words} ({scope})" in status

    done = cli(policy_broker, "reset", scope, "--reason", "it was nothing")
    assert done.stdout.splitlines()[0] == f"{words}: Running (generation 2)"
    assert commands(policy_broker, scope)[-1].permits is None
    assert commands(policy_broker, scope)[-1].targets == targets


def test_a_target_keeps_the_globs_of_its_last_command(policy_broker: str) -> None:
    scope = "andon:target:mail"

    async def stop_twice() -> Command:
        await trip(policy_broker, scope, "bounces", "ana", targets=["*@example.com"])
        await reset(policy_broker, scope, "mended", "ana")
        return await trip(policy_broker, scope, "bounces again", "ana")

    assert asyncio.run(stop_twice()).targets == ["*@example.com"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--automation", "a", "--tenant", "b"], "give one of --automation, --target and --tenant"),
        (["--tenant", ""], "with a name"),
        (["--matching", "ch_*"], "--matching: goes with --target"),
    ],
)
def test_tells_what_cannot_be(policy_broker: str, options: list[str], complaint: str) -> None:
    refused = cli(policy_broker, "kill", *options, "--reason", "x")
    assert refused.exit_code == 2
    assert complaint in refused.stderr


def test_globs_are_of_targets_alone(policy_broker: str) -> None:
    with pytest.raises(ValueError, match=r"^targets: are of a target's scope"):
        asyncio.run(trip(policy_broker, "refunds", "x", "ana", targets=["ch_*"]))


@pytest.mark.parametrize(("answer", "status"), [(b"n\n", 1), (b"y\n", 0)])
def test_asks_on_a_terminal(policy_broker: str, answer: bytes, status: int) -> None:
    scope = f"andon:tenant:asked-{status}"
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [
            str(Path(sys.executable).with_name("andon")),
            *("kill", "--tenant", f"asked-{status}", "--reason", "x"),
            *("--bootstrap-servers", policy_broker),
        ],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    os.write(ours, answer)
    printed, _ = process.communicate(timeout=60)
    os.close(theirs)
    os.close(ours)
    assert process.returncode == status
    assert f"Stop tenant asked-{status}?".encode() in printed
    assert len(commands(policy_broker, scope)) == (status == 0)
