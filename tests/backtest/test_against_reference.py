"""The engine against the brute force on real logs: equal to the last detection."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from andon.policy import PolicyBook
from tests.engine import assert_engine_agrees
from tests.eventlog import book, book_of

FILES = {
    "retail": "retail_to_2011_05.jsonl.gz",
    "airline": "tau_airline_gpt4o.jsonl.gz",
    "dojo": "agentdojo_official.jsonl.gz",
    "dyn": "agentdyn_dev.jsonl.gz",
}
CURRENCY = {"retail": "GBP", "airline": "USD", "dojo": "XXX", "dyn": "USD"}


@cache
def read(path: Path) -> tuple[bytes, ...]:
    """The lines of a log, each with its run lifted from the labels to where the contract has it."""
    events = map(json.loads, gzip.decompress(path.read_bytes()).splitlines())
    return tuple(
        json.dumps(event | {"run": event["labels"].get("run")}).encode() for event in events
    )


def shares(currency: str) -> PolicyBook:
    reversal = {"rate": "reversal", "currency": currency}
    cohort, arrival = reversal | {"attribute": "cohort"}, reversal | {"attribute": "arrival"}
    return book(
        {"rate": "error", "over": "60s", "above": "50%", "min": 3},
        {"rate": "error", "over": "1h", "above": "20%", "min": 5, "per": "action"},
        {"rate": "error", "over": "7d", "at_least": "10%", "min": 50},
        {"rate": "error", "over": "15m", "above": 0, "where": {"capability": ["send", "update"]}},
        {"rate": "denied", "over": "10m", "above": "1%", "min": 5},
        {"rate": "denied", "over": "24h", "at_least": "0.5%", "per": "run"},
        cohort | {"over": "24h", "above": "5%", "min": 20},
        cohort | {"over": "7d", "above": "10%", "weigh": "value", "min": 20},
        cohort | {"over": "24h", "at_least": "50%", "per": "target"},
        cohort | {"over": "1h", "above": "1%", "where": {"action": "charge*"}},
        arrival | {"over": "24h", "above": "20%", "min": 20},
        arrival | {"over": "7d", "at_least": "10%", "weigh": "value"},
        arrival | {"over": "1h", "above": "50%", "per": "target"},
    )


def amounts(currency: str) -> PolicyBook:
    money = {"rate": "value", "currency": currency}
    return book(
        {"rate": "volume", "over": "60s", "at_least": 5},
        {"rate": "volume", "over": "1h", "above": 25, "where": {"action": "*_order"}},
        {"rate": "volume", "over": "2m", "at_least": 3, "where": {"outcome": "error"}},
        {"rate": "volume", "over": "24h", "at_least": 10, "of": "recipients"},
        {"rate": "volume", "over": "24h", "above": 5, "per": "target"},
        money | {"over": "60s", "at_least": 1000},
        money | {"over": "1h", "at_least": 5000},
        money | {"over": "7d", "above": 150000},
        money | {"over": "24h", "above": 2000, "per": "target"},
        money | {"over": "24h", "above": 500, "where": {"action": ["refund*", "send_money"]}},
        {"rate": "duplicate", "over": "24h", "at_least": 2, "same": ["action", "target", "value"]},
        {"rate": "duplicate", "over": "60s", "at_least": 3, "same": ["action", "target"]},
        {"rate": "duplicate", "over": "1h", "above": 2, "same": "value", "per": "automation"},
        {"rate": "steps", "over": "10m", "above": 6},
        {"rate": "steps", "over": "7d", "at_least": 9, "where": {"outcome": ["error", "denied"]}},
    )


def several(currency: str) -> PolicyBook:
    """Policies that part the events of one workflow among them."""
    calm = {"name": "calm", "rate": "volume", "over": "10m", "at_least": 10}
    undone = {"name": "undone", "rate": "reversal", "over": "24h", "above": "10%", "min": 10}
    return book_of(
        {"name": "off", "mode": "off", "match": {"capability": "navigate"}, "rules": [calm]},
        {
            "name": "money",
            "match": {"capability": "transact", "workflow": ["*a*", "*:*"]},
            "rules": [
                undone,
                undone | {"name": "arrived", "attribute": "arrival", "over": "7d"},
                {"name": "sum", "rate": "value", "over": "1h", "above": 900, "currency": currency},
            ],
        },
        {"name": "rest", "mode": "shadow", "rules": [calm, undone | {"where": {"by": "*"}}]},
    )


@pytest.mark.parametrize("make", [shares, amounts, several])
@pytest.mark.parametrize("name", FILES)
def test_real_logs(name: str, make: Any, shared_data: Path) -> None:
    log = read(shared_data / FILES[name])
    assert assert_engine_agrees(make(CURRENCY[name]), log) > 0
