"""A guard goes by the policies that were pushed to the topic, from one action to the next."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from andon import BreakerOpen, LimitExceeded, PolicyBook, State
from andon.guard.memory import MemoryLog, MemoryTransport
from andon.topics import POLICIES
from tests.andon.guarding import Bench, bench
from tests.andon.streaming import until


def book(most: int) -> PolicyBook:
    limits = [{"value": most, "currency": "USD"}]
    return PolicyBook.model_validate({"version": 1, "policies": [{"name": "p", "limits": limits}]})


def allowed(made: Bench, value: float, capability: str = "transact") -> bool:
    try:
        with made.guard.attempt(capability, "act", value=value, currency="USD"):
            return True
    except LimitExceeded:
        return False


def test_what_was_pushed_before_holds_for_the_first_action_and_a_push_at_once() -> None:
    stream = MemoryTransport()
    stream.push(book(10))
    with bench(stream=stream, policy="topic") as made:
        assert (allowed(made, 10), allowed(made, 11)) == (True, False)
        stream.push(book(20))
        until(lambda: allowed(made, 11), "the new policy")
        assert not allowed(made, 21)


def test_where_nothing_was_pushed_nothing_is_limited() -> None:
    with bench(policy="topic") as made:
        assert allowed(made, 10**9)


def test_half_a_push_changes_nothing_and_is_counted() -> None:
    two = book(5).model_dump(mode="json")
    two["policies"].append({"name": "q", "rules": []})
    stream = MemoryTransport()
    stream.push(book(10))
    with bench(stream=stream, policy="topic") as made:
        assert allowed(made, 10)
        stream.push(PolicyBook.model_validate(two))
        second = stream.policies.pop()  # the push is under way
        until(lambda: made.counted("faults").get("policy"), "the first half")
        assert allowed(made, 10)
        with stream.changed:
            stream.policies.append(second)
            stream.changed.notify_all()
        until(lambda: not allowed(made, 10), "the whole push")


class Deaf(MemoryTransport):
    """A stream whose policies cannot be read until `heard` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = threading.Event()

    def read(self, topic: str) -> MemoryLog:
        if topic == POLICIES and not self.heard.is_set():
            raise ConnectionError("no broker")
        return super().read(topic)


@pytest.mark.parametrize(
    ("settings", "capability", "runs"),
    [
        ({}, "transact", False),
        ({}, "update", True),
        ({"fail": "open"}, "transact", True),
        ({"fail": "closed"}, "update", False),
        ({"guardrails": "shadow"}, "transact", True),
        ({"guardrails": "off"}, "transact", True),
    ],
)
def test_without_policies_it_fails_as_without_a_state(
    settings: dict[str, Any], capability: str, runs: bool
) -> None:
    stream = Deaf()
    with bench(stream=stream, policy="topic", **settings) as made:
        assert made.guard.ready(5)
        assert allowed(made, 5, capability) is runs
        stream.heard.set()
        until(lambda: allowed(made, 5, capability), "the policies")


def test_a_pause_comes_first() -> None:
    with bench(stream=Deaf(), policy="topic") as made:
        made.obey(State.OPEN)
        with pytest.raises(BreakerOpen):
            allowed(made, 5)
