"""Limits that people push hold in running automations, for all their threads and processes."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import yaml

from andon import Outcome
from tests.andon.streaming import WAIT_S, events
from tests.e2e.harness import Kafka, Unique, andon

CEILING = Decimal("500.00")
PROCESSES, THREADS, TRIES = 4, 50, 4
SPENDER = """
import sys, threading
from decimal import Decimal
from andon import Guard, LimitExceeded
guard = Guard(automation="refund-bot", policy="topic")
moved = []

@guard.action("transact", "refund.create", value="amount", currency="USD")
def refund(amount):
    moved.append(amount)

def work(amount):
    for _ in range(int(sys.argv[2])):
        try:
            refund(amount)
        except LimitExceeded:
            pass

threads = [threading.Thread(target=work, args=(Decimal("0.07") * (1 + n % 30),))
           for n in range(int(sys.argv[1]))]
assert guard.ready(30)
print("ready", flush=True)
input()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert guard.close(30)
print(sum(moved))
"""


def test_fifty_threads_in_four_processes_do_not_overshoot_by_a_cent(
    kafka: Kafka, unique: Unique, tmp_path: Path
) -> None:
    workflow = unique("spending")
    limit = {"value": float(CEILING), "currency": "USD", "over": "1h"}
    policy = {"name": workflow, "match": {"workflow": workflow}, "limits": [limit]}
    file = tmp_path / "policy.yaml"
    file.write_text(yaml.safe_dump({"version": 1, "policies": [policy]}))
    andon(kafka, "policy", "push", str(file), "--keep", "--user", "ana")

    environment = os.environ | {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.address,
        "ANDON_WORKFLOW": workflow,
        "ANDON_LEDGER": str(tmp_path / "ledger.sqlite3"),
    }
    spenders = [
        subprocess.Popen(
            [sys.executable, "-c", SPENDER, str(THREADS), str(TRIES)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    try:
        for spender in spenders:
            assert spender.stdout is not None
            assert spender.stdout.readline() == "ready\n"
        for spender in spenders:
            assert spender.stdin is not None
            spender.stdin.write("go\n")
            spender.stdin.flush()
        moved = sum(Decimal(each.communicate(timeout=2 * WAIT_S)[0]) for each in spenders)
    finally:
        for spender in spenders:
            spender.kill()
            spender.communicate()
    # They ask for 756.00 together, for 2.10 at once at the most.
    assert CEILING - Decimal("2.10") < moved <= CEILING
    told = events(kafka.address, workflow)
    assert len(told) == PROCESSES * THREADS * TRIES
    executed = [Decimal(str(each.value)) for each in told if each.outcome is Outcome.SUCCESS]
    assert sum(executed) == moved
