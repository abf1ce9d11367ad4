from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from andon import approvals
from andon.alert_text import alert_text
from andon.approvals import Ask
from andon.commands import Alert, Audit
from andon.topics import ALERTS, AUDIT
from andon.topics import APPROVALS as APPROVALS_TOPIC
from streams.broker import EmbeddedBroker
from streams.dispatch import GROUP, Dispatcher
from streams.lane import Patience
from streams.receivers.webhook import Webhook, WebhookSettings
from streams.routes import Routes
from streams.settings import Settings
from streams.topics import apply
from tests.andon.approval_documents import APPROVALS
from tests.streams.receiving import SECRET, Answer, Hook, an_alert, answers, eventually

SOON = Patience(first_wait_s=0.01, longest_wait_s=0.05, give_up_after_s=60)

DISPATCH_FOR_EVER = """
import asyncio, sys
from streams.dispatch import Dispatcher
from streams.receivers.webhook import Webhook, WebhookSettings
from streams.routes import Routes

async def run(servers, url):
    down = Webhook("down", WebhookSettings(url=url, secret_env="HOOK_SECRET"))
    await Dispatcher(servers, Routes({"down": down}, ("down",)), instance="first").run()

asyncio.run(run(*sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)


@pytest.fixture
def servers(own_broker: EmbeddedBroker) -> str:
    apply(own_broker.bootstrap_servers, Settings())
    return own_broker.bootstrap_servers


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as hook:
        yield hook


@asynccontextmanager
async def dispatching(
    servers: str, instance: str = "first", **hooks: Hook
) -> AsyncIterator[Dispatcher]:
    """A running dispatcher with a webhook a hook; the first is the default one. Stops cleanly."""
    receivers = {
        name: Webhook(name, WebhookSettings(url=hook.url, secret_env="HOOK_SECRET"))
        for name, hook in hooks.items()
    }
    routes = Routes(receivers, (next(iter(hooks)),))
    dispatcher = Dispatcher(servers, routes, patience=SOON, instance=instance)
    running = asyncio.create_task(dispatcher.run())
    try:
        yield dispatcher
    finally:
        dispatcher.stop()
        await running


async def write(servers: str, *alerts: Alert | bytes | None) -> None:
    """Write alerts in their order; bytes go to the partition of `refunds` as they are."""
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        for alert in alerts:
            whole = isinstance(alert, Alert)
            key = alert.workflow if whole else "refunds"
            value = alert.to_json() if whole else alert
            await producer.send_and_wait(ALERTS, value, key=key.encode())


async def until(hook: Hook, true: Callable[[], object]) -> None:
    await asyncio.to_thread(hook.wait_for, true)


async def committed(servers: str) -> int:
    """How many records the group has settled, over all partitions."""
    async with AIOKafkaConsumer(ALERTS, bootstrap_servers=servers) as reader:
        partitions = reader.partitions_for_topic(ALERTS)
    async with AIOKafkaConsumer(bootstrap_servers=servers, group_id=GROUP) as consumer:
        consumer.assign([TopicPartition(ALERTS, n) for n in partitions])
        return sum([await consumer.committed(at) or 0 for at in consumer.assignment()])


async def audited(servers: str) -> list[Audit]:
    async with AIOKafkaConsumer(
        AUDIT, bootstrap_servers=servers, auto_offset_reset="earliest"
    ) as consumer:
        left = sum((await consumer.end_offsets(consumer.assignment())).values())
        return [Audit.model_validate_json((await consumer.getone()).value) for _ in range(left)]


def test_alerts_are_delivered_committed_and_audited(servers: str, hook: Hook) -> None:
    alerts = [an_alert(), an_alert(workflow="mails"), an_alert(workflow="refunds")]

    async def run() -> None:
        async with dispatching(servers, ops=hook):
            await write(servers, *alerts)
            await until(hook, lambda: len(hook.taken) == 3)
        assert await committed(servers) == 3
        records = {record.audit_id: record for record in await audited(servers)}
        assert len(records) == 3
        for record in records.values():
            assert (record.kind, record.actor) == ("delivery", "receiver:ops")
            assert record.source
            assert record.source.topic == ALERTS
            assert record.reason
            assert record.reason.text.endswith("(paused) delivered at attempt 1")

    asyncio.run(run())
    assert sorted(hook.ids) == sorted(alert.alert_id for alert in alerts)
    refunds = [taken.id for taken in hook.taken if taken.alert.workflow == "refunds"]
    assert refunds == [alerts[0].alert_id, alerts[2].alert_id]


def test_what_guards_ask_people_is_delivered_while_it_can_be_answered(
    servers: str, hook: Hook
) -> None:
    asked = Ask.model_validate(APPROVALS["ask"])
    late = asked.model_copy(update={"request_id": "late", "expires_s": 1})
    answered = approvals.Answer.model_validate(APPROVALS["answer"])

    async def run() -> None:
        async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
            for record in (late, asked, answered):
                key = record.workflow.encode()
                await producer.send_and_wait(APPROVALS_TOPIC, record.to_json(), key=key)
        await asyncio.sleep(1.1)  # the first can be answered no longer
        async with dispatching(servers, ops=hook):
            await write(servers, an_alert(workflow="mails"))
            await until(hook, lambda: len(hook.taken) == 2)

    asyncio.run(run())
    [alert] = [taken.alert for taken in hook.taken if taken.alert.kind == "review_needed"]
    assert alert.title == (
        "refunds asks people: refund.create of ch_1, 2,500.00 USD (two people have to): "
        "value: 2,500 USD in one action, 2,000 USD is the most"
    )
    assert f"andon approvals approve {asked.request_id} --reason" in alert_text(alert)


def test_a_receiver_that_stands_still_holds_up_no_other(servers: str, hook: Hook) -> None:
    stuck = threading.Event()
    alerts = [an_alert(receivers=["slow", "ops"]), an_alert(receivers=["slow", "ops"])]

    async def run() -> None:
        with Hook(lambda taken: Answer(before=stuck.wait)) as slow:
            async with dispatching(servers, ops=hook, slow=slow):
                await write(servers, *alerts)
                await until(hook, lambda: len(hook.taken) == 2)
                assert len(slow.taken) <= 1
                assert await committed(servers) == 0
                stuck.set()
                await until(slow, lambda: len(slow.taken) == 2)
        assert await committed(servers) == 2

    asyncio.run(run())


def test_what_was_under_way_comes_again_after_a_restart_with_its_id(
    servers: str, hook: Hook
) -> None:
    alert, other = an_alert(receivers=["ops", "down"]), an_alert(workflow="mails")

    async def run() -> None:
        with Hook(answers(500)) as down:
            running = dispatching(servers, ops=hook, down=down)
            async with running as dispatcher:
                await write(servers, alert, other)
                await until(hook, lambda: len(hook.taken) == 2)
                await until(down, lambda: down.taken)
                dispatcher.stop()
            assert await committed(servers) == 1
            before = len(down.taken)
            down.script = answers(200)
            async with dispatching(servers, ops=hook, down=down):
                await until(down, lambda: len(down.taken) > before)
                await until(hook, lambda: hook.ids.count(alert.alert_id) == 2)
            assert set(down.ids) == {alert.alert_id}
        assert await committed(servers) == 2

    asyncio.run(run())
    assert hook.ids.count(other.alert_id) == 1


def test_duplicates_in_the_log_go_out_once_also_across_a_restart(servers: str, hook: Hook) -> None:
    alert, last = an_alert(), an_alert()

    async def run() -> None:
        async with dispatching(servers, ops=hook):
            await write(servers, alert, alert)
            await until(hook, lambda: hook.taken)
        async with dispatching(servers, ops=hook):
            await write(servers, alert, last)
            await until(hook, lambda: last.alert_id in hook.ids)
        assert await committed(servers) == 4

    asyncio.run(run())
    assert hook.ids == [alert.alert_id, last.alert_id]


def test_a_record_that_is_no_alert_is_told_loudly_and_passed(
    servers: str, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    alert = an_alert()

    def errors() -> list[str]:
        ours = [each for each in caplog.records if not each.name.startswith("aiokafka")]
        return [record.message for record in ours if record.levelno == logging.ERROR]

    async def run() -> None:
        async with dispatching(servers, ops=hook):
            await write(servers, b"\xff{", None, alert, b'{"alert_id": 7}')
            await until(hook, lambda: hook.taken)
            await asyncio.to_thread(eventually, lambda: len(errors()) == 3)
        assert await committed(servers) == 4

    asyncio.run(run())
    assert hook.ids == [alert.alert_id]
    assert all("ALERT NOT UNDERSTOOD at andon.alerts" in message for message in errors())


def test_an_alert_for_nobody_goes_to_the_default_and_says_so(servers: str, hook: Hook) -> None:
    async def run() -> None:
        async with dispatching(servers, ops=hook):
            await write(servers, an_alert(receivers=["payments-oncal"]))
            await until(hook, lambda: hook.taken)

    asyncio.run(run())
    (taken,) = hook.taken
    assert taken.alert.note == "no receiver is named 'payments-oncal': sent to the default"


def test_a_failure_for_good_is_audited_and_holds_up_nothing(servers: str) -> None:
    async def run() -> None:
        with Hook(answers(400, 200)) as hook:
            async with dispatching(servers, ops=hook):
                await write(servers, an_alert(), an_alert())
                await until(hook, lambda: len(hook.taken) == 2)
        assert await committed(servers) == 2
        texts = [record.reason.text for record in await audited(servers) if record.reason]
        assert "not delivered: answered 400 Bad Request at attempt 1" in texts[0]
        assert "delivered at attempt 1" in texts[1]

    asyncio.run(run())


def test_it_waits_for_a_broker_that_comes_later(
    own_broker: EmbeddedBroker, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    servers = own_broker.bootstrap_servers
    apply(servers, Settings())
    own_broker.stop()

    async def run() -> None:
        async with dispatching(servers, ops=hook):
            await asyncio.to_thread(eventually, lambda: "no broker at" in caplog.text)
            await asyncio.to_thread(own_broker.start)
            await write(servers, an_alert())
            await until(hook, lambda: hook.taken)

    asyncio.run(run())


def test_it_stops_while_there_is_no_broker(hook: Hook) -> None:
    async def run() -> None:
        async with dispatching("127.0.0.1:1", ops=hook) as dispatcher:
            dispatcher.stop()

    asyncio.run(asyncio.wait_for(run(), 30))


def test_two_share_the_work_and_lose_nothing(servers: str, hook: Hook) -> None:
    written: list[Alert] = []

    async def write_some() -> None:
        alerts = [an_alert(workflow=f"w{n}") for n in range(8)]
        written.extend(alerts)
        await write(servers, *alerts)

    async def run() -> None:
        with Hook(answers(*[500] * 20, 200)) as other:
            async with dispatching(servers, ops=hook):
                await write_some()
                await until(hook, lambda: hook.taken)
                async with dispatching(servers, instance="second", ops=other):
                    for _ in range(100):
                        if other.taken:
                            break
                        await write_some()
                        await asyncio.sleep(0.2)
                    wanted = {alert.alert_id for alert in written}
                    await asyncio.to_thread(
                        eventually, lambda: wanted == {*hook.ids} | {*other.ids}
                    )
                    assert other.taken
                    # What was on its way from one to the other comes again.
                    await asyncio.to_thread(
                        eventually, lambda: asyncio.run(committed(servers)) == len(written)
                    )
        assert await committed(servers) == len(written)

    asyncio.run(run())


def test_one_that_was_killed_is_replaced_at_once(servers: str, hook: Hook) -> None:
    alert, later = an_alert(receivers=["down"]), an_alert(receivers=["down"])

    async def run() -> None:
        with Hook(answers(500)) as down:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", DISPATCH_FOR_EVER, servers, down.url
            )
            try:
                await write(servers, alert)
                await until(down, lambda: down.taken)
            finally:
                process.kill()
                await process.wait()
            down.script = answers(200)
            before = len(down.taken)
            async with dispatching(servers, down=down):
                await write(servers, later)
                await until(down, lambda: later.alert_id in down.ids)
            assert down.ids[before:] == [alert.alert_id, later.alert_id]

    asyncio.run(run())


def test_the_command_delivers_until_it_is_told_to_stop(
    servers: str, hook: Hook, tmp_path: Path
) -> None:
    receivers = tmp_path / "receivers.yaml"
    receivers.write_text(
        f"receivers:\n  - name: ops\n    webhook: {{url: '{hook.url}', secret_env: HOOK_SECRET}}\n"
        "  - name: screen\n    terminal: {}\ndefault: [ops, screen]\n"
    )
    command = [sys.executable, "-c", "from andon.cli.alerts import app; app()"]
    environment = os.environ | {"KAFKA_BOOTSTRAP_SERVERS": servers}
    alert = an_alert()
    with subprocess.Popen(
        [*command, "--receivers", str(receivers)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            asyncio.run(write(servers, alert))
            hook.wait_for(lambda: hook.taken)
        finally:
            process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert hook.ids == [alert.alert_id]
    assert out.startswith(alert.title)
    assert "Traceback" not in err
    assert asyncio.run(committed(servers)) == 1


@pytest.mark.parametrize(
    ("answer", "receiver", "status", "said"),
    [
        (200, "ops", 0, "ops took the test alert."),
        (400, "ops", 1, "ops did not take it: answered 400 Bad Request"),
        (200, "opps", 2, "no receiver is named 'opps'; there are ops"),
    ],
)
def test_a_receiver_can_be_tried_out(
    answer: int, receiver: str, status: int, said: str, tmp_path: Path
) -> None:
    from typer.testing import CliRunner

    from andon.cli.alerts import app

    with Hook(answers(answer)) as hook:
        file = tmp_path / "receivers.yaml"
        file.write_text(
            f"receivers:\n  - name: ops\n    webhook: {{url: '{hook.url}', "
            "secret_env: HOOK_SECRET}\ndefault: [ops]\n"
        )
        result = CliRunner().invoke(app, ["test", receiver, "--receivers", str(file)])
    assert (result.exit_code, said in result.output) == (status, True)
    if status < 2:
        assert hook.taken[0].payload["type"] == "andon.alert.test"
