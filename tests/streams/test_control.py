from __future__ import annotations

import asyncio
import json
import os
import pty
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import typer
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from typer.testing import CliRunner, Result

from andon.breaker import Cause, State
from andon.cli.commands import app as commands
from andon.cli.control import reset as reset_command
from andon.cli.control import trip as trip_command
from andon.cli.status import status as status_command
from andon.commands import Ack, Alert, Audit, Command, Reason
from andon.errors import BrokerError, TransitionError
from andon.ids import derived_id
from andon.topics import ACKS, ALERTS, AUDIT, COMMANDS
from streams import control, orders
from streams.broker import EmbeddedBroker
from streams.commands_log import open_log
from streams.control import reset, trip
from tests.andon.records import COMMAND
from tests.streams.receiving import an_alert

NAMES = Callable[[str], str]
Record = Ack | Alert | Audit | Command

app = typer.Typer()
for command in (trip_command, reset_command, status_command):
    app.command()(command)


def cli(broker: str, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--bootstrap-servers", broker])


def command_of(workflow: str, **changes: object) -> Command:
    """A pause by the monitor, as it writes one."""
    document = COMMAND | {"workflow": workflow, "expires_at": None, "permits": None} | changes
    return Command.model_validate_json(json.dumps(document))


async def write(broker: str, topic: str, *records: Record) -> None:
    async with AIOKafkaProducer(bootstrap_servers=broker) as producer:
        for record in records:
            await producer.send_and_wait(topic, record.to_json(), key=record.workflow.encode())


async def read(broker: str, topic: str, workflow: str) -> list[bytes]:
    """The values under the key `workflow`, oldest first."""
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=broker, auto_offset_reset="earliest"
    ) as consumer:
        left = sum((await consumer.end_offsets(consumer.assignment())).values())
        records = [await consumer.getone() for _ in range(left)]
        return [record.value for record in records if record.key == workflow.encode()]


def test_a_person_pauses_a_workflow_that_nobody_ever_paused(broker: str, unique: NAMES) -> None:
    refunds = unique("refunds")

    async def run() -> None:
        before = datetime.now(UTC)
        command = await trip(broker, refunds, "bad prompt", "ana")
        assert before <= command.issued_at <= datetime.now(UTC)
        assert command == Command(
            command_id=derived_id("command", refunds, 1, Cause.TRIP),
            workflow=refunds,
            generation=1,
            state=State.FORCED_OPEN,
            previous=State.CLOSED,
            reason=Reason(text="bad prompt"),
            issued_at=command.issued_at,
            issued_by="user:ana",
            cause=Cause.TRIP,
        )
        (written,) = await read(broker, COMMANDS, refunds)
        assert Command.model_validate_json(written) == command

        (line,) = await read(broker, AUDIT, refunds)
        audit = Audit.model_validate_json(line)
        assert (audit.kind, audit.actor, audit.generation) == ("transition", "user:ana", 1)
        assert (audit.previous, audit.state) == (State.CLOSED, State.FORCED_OPEN)
        assert audit.reason == command.reason

        (line,) = await read(broker, ALERTS, refunds)
        alert = Alert.model_validate_json(line)
        assert (alert.kind, alert.state, alert.generation) == ("paused", State.FORCED_OPEN, 1)
        assert alert.title == f"{refunds} paused by ana: bad prompt"
        assert alert.resume == f'andon reset {refunds} --reason "why it is safe"'
        assert alert.receivers == []

    asyncio.run(run())


def test_a_pause_by_the_monitor_is_reset_on_trial_then_released(broker: str, unique: NAMES) -> None:
    refunds = unique("refunds")

    async def run() -> None:
        await write(broker, COMMANDS, command_of(refunds, generation=7, state="OPEN"))
        trial = await reset(broker, refunds, "fixed", "ana", permits=3)
        assert (trial.generation, trial.state, trial.permits) == (8, State.HALF_OPEN, 3)
        assert trial.previous is State.OPEN
        with pytest.raises(TransitionError, match=r"on trial .*; --now lets it run freely"):
            await reset(broker, refunds, "again", "ana")
        free = await reset(broker, refunds, "all good", "ana", permits=None)
        assert (free.generation, free.state, free.permits) == (9, State.CLOSED, None)
        kinds = [json.loads(line)["kind"] for line in await read(broker, ALERTS, refunds)]
        assert kinds == ["on_trial", "resumed"]

    asyncio.run(run())


def test_what_the_table_does_not_have_is_refused_and_nothing_is_written(
    broker: str, unique: NAMES
) -> None:
    refunds = unique("refunds")

    async def run() -> None:
        with pytest.raises(TransitionError, match="is running already: no command"):
            await reset(broker, refunds, "why not", "ana")
        await trip(broker, refunds, "stop", "ana")
        with pytest.raises(
            TransitionError, match=r"cannot be paused: it is paused by hand \(since"
        ):
            await trip(broker, refunds, "stop", "bob")
        assert len(await read(broker, COMMANDS, refunds)) == 1
        assert len(await read(broker, AUDIT, refunds)) == 1
        assert len(await read(broker, ALERTS, refunds)) == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("reason", {"reason": " "}),
        ("reason", {"reason": "x" * 1_001}),
        ("workflow", {"workflow": ""}),
        ("workflow", {"workflow": "w" * 201}),
        ("user", {"user": ""}),
        ("permits", {"permits": 0}),
    ],
)
def test_bad_input_is_told_with_its_field(field: str, changes: dict[str, object]) -> None:
    given = {"workflow": "refunds", "reason": "fixed", "user": "ana", "permits": 1} | changes
    with pytest.raises(ValueError, match=f"^{field}: must "):
        asyncio.run(reset("127.0.0.1:1", **given))  # type: ignore[arg-type]


def test_who_heard_of_the_pause_hears_of_its_end(broker: str, unique: NAMES) -> None:
    refunds = unique("refunds")

    async def run() -> None:
        await write(broker, COMMANDS, command_of(refunds))
        await write(broker, ALERTS, an_alert(workflow=refunds, receivers=["payments-oncall"]))
        await reset(broker, refunds, "fixed", "ana")
        alert = Alert.model_validate_json((await read(broker, ALERTS, refunds))[-1])
        assert alert.receivers == ["payments-oncall"]
        assert alert.runbook == "https://example.com/r"

    asyncio.run(run())


def race(
    broker: str, cause: Cause, before: Command, meanwhile: Command, permits: int | None = None
) -> Command:
    """Give an order, while `meanwhile` is written after the order's look into the log."""

    async def run() -> Command:
        await write(broker, COMMANDS, before)
        order = orders.Order(cause, before.workflow, "ana's reason", "ana", permits)
        async with (
            open_log(broker, COMMANDS) as log,
            AIOKafkaProducer(bootstrap_servers=broker) as producer,
        ):
            await write(broker, COMMANDS, meanwhile)
            return await orders.accepted(log, producer, order)

    return asyncio.run(run())


def test_a_trip_that_comes_second_is_put_on_top(broker: str, unique: NAMES) -> None:
    refunds = unique("refunds")
    running = command_of(refunds, generation=4, state="CLOSED")
    paused = command_of(refunds, generation=5, state="OPEN")
    command = race(broker, Cause.TRIP, running, paused)
    assert (command.generation, command.state) == (6, State.FORCED_OPEN)
    assert command.previous is State.OPEN
    newest = asyncio.run(read(broker, COMMANDS, refunds))[-1]
    assert Command.model_validate_json(newest) == command


def test_a_reset_does_not_undo_a_pause_that_its_person_has_not_seen(
    broker: str, unique: NAMES
) -> None:
    refunds = unique("refunds")
    trial = command_of(refunds, generation=4, state="HALF_OPEN")
    paused = command_of(refunds, generation=5, state="OPEN")
    with pytest.raises(TransitionError, match="moved just now: it is paused"):
        race(broker, Cause.RELEASE, trial, paused)
    values = asyncio.run(read(broker, COMMANDS, refunds))
    # Ours lost; the one that holds stands last, where compaction and new guards find it.
    assert [Command.model_validate_json(value).state for value in values] == [
        State.HALF_OPEN,
        State.OPEN,
        State.CLOSED,
        State.OPEN,
    ]
    assert Command.model_validate_json(values[-1]) == paused


def test_of_two_people_at_once_one_pauses(broker: str, unique: NAMES) -> None:
    refunds = unique("refunds")

    async def run() -> None:
        results = await asyncio.gather(
            *(trip(broker, refunds, "stop", user) for user in ("ana", "bob")),
            return_exceptions=True,
        )
        winners = [result for result in results if isinstance(result, Command)]
        assert len(winners) == 1
        assert [type(result) for result in results if result not in winners] == [TransitionError]
        async with open_log(broker, COMMANDS) as log:
            assert log.commands[refunds] == log.newest[refunds] == winners[0]

    asyncio.run(run())


def test_without_a_broker_it_says_so() -> None:
    with pytest.raises(BrokerError, match="no Kafka broker answers"):
        asyncio.run(trip("127.0.0.1:1", "refunds", "stop", "ana"))


def test_without_topics_it_says_so(own_broker: EmbeddedBroker) -> None:
    with pytest.raises(BrokerError, match=r"no topic andon\.commands, andon\.alerts: run"):
        asyncio.run(trip(own_broker.bootstrap_servers, "refunds", "stop", "ana"))


def test_the_commands_on_the_command_line(broker: str, unique: NAMES) -> None:
    refunds = unique("refunds")
    paused = cli(broker, "trip", refunds, "--reason", "bad prompt", "--user", "ana")
    assert (paused.exit_code, paused.stdout) == (0, f"{refunds}: Paused by hand (generation 1)\n")
    again = cli(broker, "trip", refunds, "--reason", "bad prompt", "--user", "bob")
    assert again.exit_code == 1
    assert f"andon trip: {refunds} cannot be paused: it is paused by hand (since " in again.stderr
    assert ", by ana: bad prompt)" in again.stderr
    trial = cli(broker, "reset", refunds, "--reason", "fixed", "--permits", "3")
    assert trial.exit_code == 0
    assert trial.stdout == f"{refunds}: On trial, 3 actions may run (generation 2)\n"
    free = cli(broker, "reset", refunds, "--reason", "fixed", "--now")
    assert (free.exit_code, free.stdout) == (0, f"{refunds}: Running (generation 3)\n")
    assert cli(broker, "reset", refunds, "--reason", "fixed").exit_code == 1


def test_a_reason_is_mandatory_and_says_something(broker: str, unique: NAMES) -> None:
    refunds = unique("refunds")
    assert cli(broker, "trip", refunds).exit_code == 2
    empty = cli(broker, "trip", refunds, "--reason", "  ")
    assert empty.exit_code == 2
    assert "andon trip: reason: must have 1 to 1,000 characters" in empty.stderr
    assert asyncio.run(read(broker, COMMANDS, refunds)) == []


def test_status_lists_who_stands_how_and_who_obeys(broker: str, unique: NAMES) -> None:
    refunds, mails = unique("refunds"), unique("mails")

    async def write_all() -> None:
        await write(broker, COMMANDS, command_of(refunds, generation=1, state="HALF_OPEN"))
        await write(broker, COMMANDS, command_of(refunds, generation=2))
        ack = Ack(
            workflow=refunds,
            generation=1,
            guard="g-0",
            automation="agent",
            applied_at=datetime(2026, 1, 31, 8, tzinfo=UTC),
        )
        late = ack.model_copy(update={"generation": 2})
        await write(broker, ACKS, ack, late, ack.model_copy(update={"guard": "g-1"}))
        await trip(broker, mails, "bad\nprompt", "ana")

    asyncio.run(write_all())
    plain = cli(broker, "status")
    assert plain.exit_code == 0
    head, *lines = plain.stdout.splitlines()
    (line,) = [line for line in lines if line.startswith(refunds)]
    (by_hand,) = [line for line in lines if line.startswith(mails)]
    column = {name: head.index(name) for name in ("State", "Since", "Gen", "Why", "Guards")}
    assert line[column["State"] :].startswith("Paused ")
    assert line[column["Since"] :].startswith("2026-01-31T08:00:00.000Z")
    assert line[column["Gen"] :].startswith("2 ")
    assert line[column["Why"] :].startswith(
        "money moved $5,120 USD in 1h, bound $5,000 USD, target ch_1"
    )
    assert line[column["Guards"] :].startswith("1 obey, 1 behind")
    assert line.endswith(f'a person: andon reset {refunds} --reason "why it is safe"')
    assert by_hand[column["Why"] :].startswith("bad prompt (by ana)")
    assert by_hand[column["Guards"] :].startswith("none heard")

    found = json.loads(cli(broker, "status", "--json").stdout)
    (row,) = [row for row in found["workflows"] if row["workflow"] == refunds]
    assert (row["state"], row["label"], row["generation"]) == ("OPEN", "Paused", 2)
    assert row["reason"]["rule"] == "money-per-hour"
    assert [(ack["guard"], ack["obeys"]) for ack in row["acks"]] == [("g-0", True), ("g-1", False)]


def test_status_on_a_terminal_is_a_table(broker: str, unique: NAMES) -> None:
    refunds = unique("refunds")
    asyncio.run(trip(broker, refunds, "[red]stop[/red]", "ana"))
    ours, theirs = pty.openpty()
    code = "import typer; from andon.cli.status import status; typer.run(status)"
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "250"}
    process = subprocess.Popen(
        [sys.executable, "-c", code, "--bootstrap-servers", broker],
        stdout=theirs,
        env=environment,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:  # Linux tells so that the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert process.wait(30) == 0
    text = shown.decode()
    assert "┃" in text
    assert refunds in text
    assert "[red]stop[/red] (by ana)" in text


def test_status_skips_what_it_cannot_read_and_says_so(own_broker: EmbeddedBroker) -> None:
    from streams.settings import Settings
    from streams.topics import apply

    broker = own_broker.bootstrap_servers
    apply(broker, Settings())
    assert cli(broker, "status").stdout == "No workflow was ever paused: all run.\n"

    async def write_bad() -> None:
        async with AIOKafkaProducer(bootstrap_servers=broker) as producer:
            await producer.send_and_wait(COMMANDS, b'{"generation": 0}', key=b"refunds")
            await producer.send_and_wait(COMMANDS, b"\xff", key=b"refunds")

    asyncio.run(write_bad())
    result = cli(broker, "status")
    assert result.exit_code == 0
    assert result.stderr.count("skipped a record: andon.commands partition ") == 2


def test_a_workflow_taken_out_of_the_log_is_forgotten(broker: str, unique: NAMES) -> None:
    refunds = unique("refunds")

    async def run() -> None:
        await trip(broker, refunds, "stop", "ana")
        async with open_log(broker) as log:
            assert refunds in log.commands
            async with AIOKafkaProducer(bootstrap_servers=broker) as producer:
                await producer.send_and_wait(COMMANDS, None, key=refunds.encode())
            assert await log.refresh() == []
            assert refunds not in log.commands

    asyncio.run(run())


def test_status_without_a_broker_ends_soon_with_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        result = cli(f"127.0.0.1:{silent.getsockname()[1]}", "status")
    assert result.exit_code == 2
    assert result.stderr.startswith("andon status: no Kafka broker answers at 127.0.0.1:")
    assert result.stdout == ""


def test_a_person_says_what_detections_do(broker: str, unique: NAMES) -> None:
    workflow = unique("refunds")

    async def run() -> None:
        shadow = await control.set_mode(broker, workflow, "shadow", "we try it out", "ana")
        assert (shadow.state, shadow.generation) == (State.METRICS_ONLY, 1)
        with pytest.raises(TransitionError, match="cannot be put in shadow mode: it is shadow"):
            await control.set_mode(broker, workflow, "shadow", "again", "ana")
        off = await control.set_mode(broker, workflow, "off", "it is broken", "ana")
        assert off.state is State.DISABLED
        held = await control.set_mode(broker, workflow, "enforce", "it works", "ana")
        assert (held.state, held.generation) == (State.CLOSED, 3)

    asyncio.run(run())


def test_the_mode_on_the_command_line(broker: str, unique: NAMES) -> None:
    workflow = unique("refunds")
    done = CliRunner().invoke(
        commands, ["mode", workflow, "shadow", "--reason", "a try", "--bootstrap-servers", broker]
    )
    assert done.exit_code == 0, done.output
    assert "Shadow (generation 1)" in done.output
