"""A person undoes an action from the command line; the automation's own process does it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from andon import By, Event, Outcome
from tests.andon.streaming import WAIT_S, events, until
from tests.e2e.harness import ANDON, Kafka, Unique, andon

SHOP = """
import os
from andon import BreakerOpen, Guard, LimitExceeded
guard = Guard(automation="refund-bot", policy={"name": "p", "limits": [
    {"value": 100, "currency": "USD"}]})

def take_back(event):
    with open(os.environ["BANK"], "a") as bank:
        bank.write(f"{event.target} {event.value}\\n")
    if event.target == "ch_bad":
        raise ConnectionError("the bank is closed")

@guard.action("transact", "refund.create", value="amount", currency="USD", target="charge",
              undo=take_back)
def refund(charge, amount):
    return f"refunded {charge}"
"""
AUTOMATION = """
import sys
from shop import *
assert guard.ready(30)
print("ready", flush=True)
for line in sys.stdin:
    charge, amount = line.split()
    try:
        answer = refund(charge, float(amount))
    except (BreakerOpen, LimitExceeded) as refusal:
        answer = type(refusal).__name__
    guard.flush(30)
    print(answer, flush=True)
guard.close()
"""


class Place:
    """A folder with the automation's module, and the bank that its undo writes to."""

    def __init__(self, folder: Path, kafka: Kafka, workflow: str) -> None:
        self.folder = folder
        self.kafka = kafka
        self.workflow = workflow
        (folder / "shop.py").write_text(SHOP)
        self.bank = folder / "bank"
        self.bank.touch()
        self.environment = os.environ | {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.address,
            "ANDON_WORKFLOW": workflow,
            "BANK": str(self.bank),
        }

    @contextmanager
    def automation(self) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            [sys.executable, "-c", AUTOMATION],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()
            process.communicate(timeout=WAIT_S)

    def undo(self, event_id: str, *options: str, status: int = 0) -> str:
        """`andon undo`, run in the folder of the automation."""
        words = ["undo", event_id, "--reason", "refunded twice", "--user", "ana", *options]
        done = subprocess.run(
            [ANDON, *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=2 * WAIT_S,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def events(self) -> list[Event]:
        return events(self.kafka.address, self.workflow)


@pytest.fixture
def place(tmp_path: Path, kafka: Kafka, unique: Unique) -> Place:
    return Place(tmp_path, kafka, unique("shop"))


def refund(process: subprocess.Popen[str], charge: str, amount: float) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{charge} {amount}\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def test_the_automations_own_process_undoes_it_once_also_while_paused(place: Place) -> None:
    kafka, workflow = place.kafka, place.workflow
    with place.automation() as process:
        assert refund(process, "ch_1", 25) == "refunded ch_1"
        andon(kafka, "trip", workflow, "--reason", "duplicates", "--user", "ana")
        until(lambda: kafka.acks(workflow), "the guard")
        [event] = place.events()
        told = place.undo(event.event_id, "--json")
        done = json.loads(told)["done"]
        assert place.bank.read_text() == "ch_1 25.0\n"
        _, reversal = place.events()
        assert (reversal.event_id, reversal.reverses) == (done["event_id"], event.event_id)
        assert (reversal.by, reversal.value) == (By.HUMAN, 25.0)
        assert reversal.reason == "ana: refunded twice"

        assert "was undone at" in place.undo(event.event_id, status=1)
        assert place.bank.read_text() == "ch_1 25.0\n"
    [audit] = kafka.audits(workflow, "undo")
    assert audit.actor == "user:ana"


def test_failures_are_told(place: Place) -> None:
    with place.automation() as process:
        refund(process, "ch_bad", 25)
        assert refund(process, "ch_1", 101) == "LimitExceeded"
        broken, denied = place.events()
        assert denied.outcome is Outcome.DENIED
        told = place.undo(broken.event_id, status=1)
        assert "failed in" in told
        assert "ConnectionError: the bank is closed" in told
        assert "ended as denied: there is nothing to undo" in place.undo(denied.event_id, status=1)
    assert "the log has no event nothing" in place.undo("nothing", status=1)
    assert len(place.events()) == 2


def test_where_the_automation_is_dead_its_module_is_loaded_here(place: Place) -> None:
    with place.automation() as process:
        refund(process, "ch_1", 25)
    [event] = place.events()
    told = place.undo(event.event_id, "--wait", "2", status=1)
    assert "no running guard" in told
    assert "--load shop" in told
    assert "undone by" in place.undo(event.event_id, "--load", "shop")
    assert place.bank.read_text() == "ch_1 25.0\n"
    assert [each.reverses for each in place.events()] == [None, event.event_id]


def test_explain_tells_the_trace_and_what_concerns_it(place: Place) -> None:
    kafka, workflow = place.kafka, place.workflow
    with place.automation() as process:
        refund(process, "ch_1", 25)
        [event] = place.events()
        andon(kafka, "trip", workflow, "--reason", "too many", "--user", "bob")
        until(lambda: kafka.acks(workflow), "the guard")
        assert refund(process, "ch_2", 5) == "BreakerOpen"
        place.undo(event.event_id)
        _, refused, reversal = place.events()

    told: dict[str, Any] = json.loads(andon(kafka, "explain", event.event_id, "--json"))
    assert set(told["event"]["decision"]) == {"saw", "decided", "executed", "outcome"}
    assert told["event"]["decision"]["executed"]["undo"] == "shop:take_back"
    assert [each["event_id"] for each in told["reversals"]] == [reversal.event_id]
    assert [each["actor"] for each in told["people"]] == ["user:ana"]
    assert told["commands"] == []

    text = andon(kafka, "explain", event.event_id)
    assert 'Saw        {"arguments": {"charge": "ch_1", "amount": 25.0}}' in text
    assert f"({reversal.event_id}): ana: refunded twice" in text

    text = andon(kafka, "explain", refused.event_id)
    assert "Ended      denied, live: paused, generation 1" in text
    assert "Executed   not executed" in text
    assert "FORCED_OPEN, generation 1, by user:bob: too many" in text
    assert "the log has no event" in andon(kafka, "explain", "nothing", status=1)


def test_audit_lists_and_filters(place: Place) -> None:
    kafka, workflow = place.kafka, place.workflow
    for words in (["trip"], ["reset", "--now"], ["trip"]):
        andon(kafka, *words, workflow, "--reason", f"to {words[0]}", "--user", "ana")

    def listed(*options: str) -> list[dict[str, Any]]:
        told = andon(kafka, "audit", "--workflow", workflow, "--json", *options)
        records: list[dict[str, Any]] = json.loads(told)["records"]
        return [each for each in records if each["kind"] == "transition"]

    assert [each["generation"] for each in listed()] == [1, 2, 3]
    assert [each["generation"] for each in listed("--kind", "transition", "--last", "1")] == [3]
    assert len(listed("--since", "1h", "--kind", "transition", "--actor", "user:a*")) == 3
    assert listed("--kind", "detection") == listed("--actor", "monitor") == []
    assert "to reset" in andon(kafka, "audit", "--workflow", workflow)
    assert "Nothing was written down" in andon(kafka, "audit", "--workflow", "nothing-*")
    assert "kind: must be one of" in andon(kafka, "audit", "--kind", "x", status=2)
    assert "since: must be a duration" in andon(kafka, "audit", "--since", "x", status=2)
