from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable

import pytest

from andon.alert_text import alert_text
from andon.commands import Alert
from streams import lane as lanes
from streams.lane import Lane, Outcome, Patience
from streams.receivers import Delivered, Delivery
from streams.receivers.webhook import Webhook, WebhookSettings
from tests.streams.receiving import SECRET, Answer, Hook, an_alert, answers

SOON = Patience(first_wait_s=0.01, longest_wait_s=0.05, give_up_after_s=30)
ALMOST_NONE = Patience(first_wait_s=0.01, longest_wait_s=0.01, give_up_after_s=0.1)


class Tally:
    """Counts results, as the exporter does."""

    def __init__(self) -> None:
        self.results: list[str] = []

    def __call__(self, receiver: str, result: str) -> None:
        assert receiver == "ops"
        self.results.append(result)


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)


@pytest.fixture
def count() -> Tally:
    return Tally()


def through_a_lane(
    hook: Hook,
    script: Callable[[Lane], Awaitable[list[Outcome]]],
    count: Tally,
    patience: Patience = SOON,
) -> list[Outcome]:
    async def run() -> list[Outcome]:
        webhook = Webhook("ops", WebhookSettings(url=hook.url, secret_env="HOOK_SECRET"))
        try:
            return await script(Lane(webhook, patience, count))
        finally:
            await webhook.close()

    return asyncio.run(run())


def send(*alerts: Alert) -> Callable[[Lane], Awaitable[list[Outcome]]]:
    """All at once, in this order."""

    async def script(lane: Lane) -> list[Outcome]:
        return await asyncio.gather(*(task for alert in alerts if (task := lane.send(alert))))

    return script


def test_retries_bear_the_same_id_until_the_alert_is_taken(count: Tally) -> None:
    alert = an_alert()
    with Hook(answers(500, 503, 429, 200)) as hook:
        (outcome,) = through_a_lane(hook, send(alert), count)
    assert outcome == Outcome("ops", alert, 4, None)
    assert hook.ids == [alert.alert_id] * 4
    assert {taken.alert.alert_id for taken in hook.taken} == {alert.alert_id}
    assert count.results == ["retried", "retried", "retried", "delivered"]


def test_a_retry_after_is_waited_for(count: Tally) -> None:
    came: list[float] = []

    def busy_at_first(taken: object) -> Answer:
        came.append(time.monotonic())
        return Answer(429, (("retry-after", "1"),)) if len(came) == 1 else Answer()

    with Hook(busy_at_first) as hook:
        through_a_lane(hook, send(an_alert()), count)
    assert came[1] - came[0] >= 1


def test_what_is_refused_for_good_is_told_at_once_and_loudly(
    count: Tally, caplog: pytest.LogCaptureFixture
) -> None:
    alert = an_alert()
    with Hook(answers(400)) as hook, caplog.at_level(logging.ERROR):
        (outcome,) = through_a_lane(hook, send(alert), count)
    assert outcome == Outcome("ops", alert, 1, "answered 400 Bad Request")
    assert count.results == ["failed"]
    assert "ALERT NOT DELIVERED to ops: answered 400 Bad Request" in caplog.text
    assert alert_text(alert) in caplog.text


def test_patience_ends(count: Tally) -> None:
    with Hook(answers(500)) as hook:
        (outcome,) = through_a_lane(hook, send(an_alert()), count, ALMOST_NONE)
    assert outcome.failure == "gave up after 0.1 s, at last: answered 500 Internal Server Error"
    assert outcome.attempts == len(hook.taken) > 1
    assert count.results == ["retried"] * (outcome.attempts - 1) + ["failed"]


def test_a_workflow_in_trouble_keeps_its_order_and_holds_up_no_other(count: Tally) -> None:
    others_are_through = threading.Event()

    def script(taken: object) -> Answer:
        refunds = hook.taken[-1].alert.workflow == "refunds"
        return Answer(500 if refunds and not others_are_through.is_set() else 200)

    alerts = [an_alert(workflow=name) for name in ("refunds", "refunds", "mails", "mails")]
    with Hook(script) as hook:

        async def watch(lane: Lane) -> list[Outcome]:
            tasks = [task for alert in alerts if (task := lane.send(alert))]
            mails = await asyncio.gather(*tasks[2:])
            assert not tasks[0].done()
            others_are_through.set()
            return [*mails, *await asyncio.gather(*tasks[:2])]

        outcomes = through_a_lane(hook, watch, count)
    assert all(outcome.failure is None for outcome in outcomes)
    for workflow in ("refunds", "mails"):
        ids = [taken.id for taken in hook.taken if taken.alert.workflow == workflow]
        first, second = (alert.alert_id for alert in alerts if alert.workflow == workflow)
        assert ids == [first] * ids.count(first) + [second]


def test_an_alert_that_comes_twice_goes_out_once(count: Tally) -> None:
    alert = an_alert()
    with Hook() as hook:

        async def twice_and_later(lane: Lane) -> list[Outcome]:
            outcomes = await send(alert, alert)(lane)
            assert lane.send(alert) is None
            return outcomes

        assert len(through_a_lane(hook, twice_and_later, count)) == 1
    assert hook.ids == [alert.alert_id]


def test_a_cancelled_alert_may_be_sent_again(count: Tally) -> None:
    alert = an_alert()
    with Hook(answers(500, 200)) as hook:

        async def cancel_then_send(lane: Lane) -> list[Outcome]:
            task = lane.send(alert)
            assert task
            await asyncio.to_thread(hook.wait_for, lambda: hook.taken)
            task.cancel()
            await asyncio.wait([task])
            return await send(alert)(lane)

        (outcome,) = through_a_lane(hook, cancel_then_send, count, Patience(first_wait_s=30))
    assert outcome.failure is None


class Broken:
    """A receiver with a bug at its first call."""

    name = "ops"
    at_once = 1
    calls = 0

    async def deliver(self, alert: Alert) -> Delivery:
        self.calls += 1
        if self.calls == 1:
            raise KeyError("a bug")
        return Delivered()

    async def close(self) -> None: ...


def test_a_receiver_that_breaks_is_tried_again(count: Tally) -> None:
    async def run() -> list[Outcome]:
        return await send(an_alert())(Lane(Broken(), SOON, count))

    (outcome,) = asyncio.run(run())
    assert (outcome.attempts, outcome.failure) == (2, None)


def test_a_full_lane_refuses_instead_of_growing(
    count: Tally, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "WAITING_MAX", 2)
    with Hook(answers(500)) as hook:
        outcomes = through_a_lane(
            hook, send(an_alert(), an_alert(), an_alert()), count, ALMOST_NONE
        )
    full = [outcome for outcome in outcomes if outcome.attempts == 0]
    assert [outcome.failure for outcome in full] == ["2 alerts wait for it already"]


@pytest.mark.parametrize("attempts", [1, 2, 5, 10_000])
def test_waits_grow_to_their_longest_and_honour_the_other_side(attempts: int) -> None:
    patience = Patience(first_wait_s=1, longest_wait_s=60)
    doubled = min(2 ** min(attempts - 1, 10), 60)
    assert doubled / 2 <= patience.wait_s(attempts, None) <= doubled
    assert patience.wait_s(attempts, 90) == 90
    assert patience.wait_s(attempts, 0) > 0
