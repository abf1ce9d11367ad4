"""Every command is on its page, says its exit status, and speaks JSON where it tells facts."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from andon.cli.commands import app
from andon.cli.page import PAGE, commands, options, page, status_of

COMMANDS = dict(commands())
RUN_ON = {"andon broker", "andon monitor", "andon canary", "andon alerts", "andon api"}
"""They tell what happens while it does, and no facts at the end."""


def test_the_page_is_as_the_help_says() -> None:
    assert page() == PAGE.read_text(), "run `python -m andon.cli.page`"


def test_the_commands_of_the_contract_are_there() -> None:
    named = "status watch trip reset explain undo approvals audit policy topics doctor"
    there = {name.split()[1] for name in COMMANDS}
    assert set(named.split()) <= there


@pytest.mark.parametrize("name", COMMANDS)
def test_its_help_tells_its_exit_status(name: str) -> None:
    told = status_of(COMMANDS[name])
    assert told is not None
    assert told.startswith("0")


@pytest.mark.parametrize("name", COMMANDS.keys() - RUN_ON)
def test_it_speaks_json(name: str) -> None:
    assert "--json" in options(COMMANDS[name])


@pytest.mark.parametrize("name", COMMANDS)
def test_wrong_usage_ends_with_2(name: str) -> None:
    words = name.split()[1:]
    assert CliRunner().invoke(app, [*words, "--no-such-option"]).exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["watch"],
        ["trip", "refunds", "--reason", "x"],
        ["reset", "refunds", "--reason", "x"],
        ["mode", "refunds", "off", "--reason", "x"],
        ["undo", "1", "--reason", "x"],
        ["explain", "1"],
        ["audit"],
        ["doctor"],
        ["report"],
        ["approvals", "list"],
        ["approvals", "show", "1"],
        ["approvals", "approve", "1", "--reason", "x"],
        ["approvals", "deny", "1", "--reason", "x"],
        ["policy", "pull"],
        ["policy", "list"],
        ["topics", "apply"],
    ],
    ids=" ".join,
)
def test_no_broker_ends_with_2(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, [*arguments, "--bootstrap-servers", "127.0.0.1:1"])
    assert done.exit_code == 2, done.output
    assert "no Kafka broker answers at 127.0.0.1:1" in done.output
