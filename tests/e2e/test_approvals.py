"""People answer from the command line; guards in other processes run what they approve, once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from andon import Outcome
from tests.andon.streaming import WAIT_S, events, until
from tests.e2e.harness import Kafka, Unique, andon

AUTOMATION = """
import sys
from andon import Guard, LimitExceeded
guard = Guard(automation="refund-bot")

@guard.action(
    "transact", "refund.create", value="amount", currency="USD", target="charge",
    limits=[{"value": 2000, "currency": "USD", "then": "review", "people": 2}],
)
def refund(charge, amount):
    return "refunded"

assert guard.ready(30)
print("ready", flush=True)
for line in sys.stdin:
    try:
        answer = refund("ch_1", float(line))
    except LimitExceeded as refusal:
        answer = f"{type(refusal).__name__}: {refusal}"
    guard.flush(30)
    print(answer, flush=True)
guard.close()
"""


class Bot:
    """An automation in a process of its own; asked for refunds of ch_1."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert self._answer() == "ready"

    def refund(self, amount: float) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{amount}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def bot(kafka: Kafka, workflow: str) -> Iterator[Bot]:
    process = subprocess.Popen(
        [sys.executable, "-c", AUTOMATION],
        env=os.environ | {"KAFKA_BOOTSTRAP_SERVERS": kafka.address, "ANDON_WORKFLOW": workflow},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Bot(process)
    finally:
        process.kill()
        process.communicate(timeout=WAIT_S)


def asked(kafka: Kafka, workflow: str, *options: str) -> list[dict[str, Any]]:
    told = andon(kafka, "approvals", "list", "--workflow", workflow, "--json", *options)
    rows: list[dict[str, Any]] = json.loads(told)["requests"]
    return rows


def test_two_people_approve_and_one_of_two_processes_runs_it_once(
    kafka: Kafka, unique: Unique
) -> None:
    workflow = unique("refunds")
    with bot(kafka, workflow) as first, bot(kafka, workflow) as second:
        assert first.refund(2000) == "refunded"
        assert first.refund(2500).startswith("ReviewNeeded: ")
        [request] = until(lambda: asked(kafka, workflow), "the question")
        assert (request["standing"], request["missing"], request["value"]) == ("pending", 2, 2500.0)
        assert json.loads(request["arguments"]) == {"charge": "ch_1", "amount": 2500.0}
        request_id = request["request_id"]
        assert request_id in andon(kafka, "approvals", "list")
        assert "2,500.00 USD" in andon(kafka, "approvals", "show", request_id[:8])

        why = ("--reason", "the customer is right")
        told = andon(kafka, "approvals", "approve", request_id[-8:], "--user", "ana", *why)
        assert "another person has to approve it as well" in told
        told = andon(kafka, "approvals", "approve", request_id, "--user", "ana", *why, status=1)
        assert "user:ana has approved it already" in told
        assert first.refund(2500).startswith("ReviewNeeded: ")
        told = andon(kafka, "approvals", "approve", request_id, "--user", "bob", *why)
        assert told.strip() == f"{request_id} (refund.create of {workflow}): approved"

        answers = [second.refund(2500), first.refund(2500)]
        assert answers[0] == "refunded"
        # It asks anew, or has not heard yet of the use and is told so as it tries.
        assert answers[1].startswith(("ReviewNeeded: ", "ReviewDenied: "))

    told = andon(kafka, "approvals", "deny", request_id, "--user", "cleo", *why, status=1)
    assert "too late, it is used" in told
    outcomes = [event.outcome for event in events(kafka.address, workflow)]
    assert (outcomes.count(Outcome.SUCCESS), outcomes.count(Outcome.DENIED)) == (2, 3)
    audits = kafka.audits(workflow, "approval")
    assert [audit.actor for audit in audits] == ["user:ana", "user:bob"]
    assert audits[0].reason is not None
    assert audits[0].reason.text.endswith("the customer is right")
    settled = {row["request_id"]: row for row in asked(kafka, workflow, "--all")}
    assert settled[request_id]["approved_by"] == ["user:ana", "user:bob"]


def test_denied_by_one(kafka: Kafka, unique: Unique) -> None:
    workflow = unique("refunds")
    with bot(kafka, workflow) as automation:
        automation.refund(2500)
        [request] = until(lambda: asked(kafka, workflow), "the question")
        told = andon(
            kafka, "approvals", "deny", request["request_id"], "--reason", "a fraud",
            "--user", "ana", "--json",
        )  # fmt: skip
        assert json.loads(told)["denied_by"] == "user:ana"
        refusal = until(lambda: _denial(automation), "the denial")
        assert "ana: a fraud" in refusal


def _denial(automation: Bot) -> str:
    answer = automation.refund(2500)
    return answer if answer.startswith("ReviewDenied: ") else ""


def test_mistakes_are_told(kafka: Kafka) -> None:
    told = andon(kafka, "approvals", "approve", "nothing", "--reason", "x", status=1)
    assert "nobody has asked for nothing: see `andon approvals list`" in told
    told = andon(kafka, "approvals", "approve", "nothing", "--reason", " ", status=2)
    assert "reason: must have 1 to 1,000 characters" in told
    told = andon(kafka, "approvals", "list", "--bootstrap-servers", "127.0.0.1:1", status=2)
    assert "no Kafka broker answers at 127.0.0.1:1" in told
