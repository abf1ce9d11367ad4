"""Undoing: what can be undone is undone once, by a guard, on a person's order."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from andon import BreakerOpen, By, Event, LimitExceeded, Outcome, State
from andon.approvals import Undo
from andon.signing import write_new_key
from tests.andon.guarding import Bench, bench
from tests.andon.streaming import until


class Shop:
    """Refunds that can be taken back."""

    def __init__(self, made: Bench, **options: Any) -> None:
        self.taken_back: list[Event] = []

        @made.guard.action(
            "transact", "refund.create", value="amount", currency="USD", target="charge",
            **({"undo": self.take_back} | options),
        )  # fmt: skip
        def refund(charge: str, amount: float) -> None: ...

        self.refund = refund

    def take_back(self, event: Event) -> None:
        self.taken_back.append(event)


def refunded(made: Bench, shop: Shop) -> Event:
    shop.refund("ch_1", 25)
    return made.events()[-1]


def test_runs_the_undo_with_the_event_and_tells_the_reversal() -> None:
    with bench() as made:
        shop = Shop(made)
        event = refunded(made, shop)
        done = made.stream.undo(event, "user:ana")
        assert (done.outcome, shop.taken_back) == ("success", [event])
        reversal = made.events()[-1]
        assert (reversal.event_id, reversal.reverses) == (done.event_id, event.event_id)
        assert (reversal.by, reversal.outcome) == (By.HUMAN, Outcome.SUCCESS)
        assert (reversal.action, reversal.value, reversal.target) == ("refund.create", 25.0, "ch_1")
        assert reversal.reason == "ana: a test"


def test_with_keys_only_a_signed_order_is_carried_out(tmp_path: Path) -> None:
    ours = write_new_key(tmp_path / "key.pem")
    with bench(verify_keys=ours.public) as made:
        shop = Shop(made)
        event = refunded(made, shop)
        with pytest.raises(TimeoutError):
            made.stream.undo(event, timeout_s=0.5)
        assert made.counted("faults")["signature"] == 1
        order = Undo(
            request_id="signed",
            workflow=event.workflow,
            issued_at=datetime.now(UTC),
            issued_by="user:ana",
            event=event,
            reason="paid twice",
            expires_s=60,
        )
        made.stream.write(ours.sign(order))
        until(lambda: shop.taken_back == [event], "the undo")


def test_once() -> None:
    with bench() as made:
        shop = Shop(made)
        event = refunded(made, shop)
        made.stream.undo(event)
        with pytest.raises(TimeoutError):
            made.stream.undo(event, timeout_s=0.5)
        assert len(shop.taken_back) == 1
        assert "undone before" in made.stream.requests[-1].refused[0]


def test_of_two_guards_one_does_it() -> None:
    with bench() as made:
        other = Bench(stream=made.stream)
        with other.guard:
            shops = [Shop(made), Shop(other)]
            shops[0].refund("ch_1", 25)
            event = made.events()[-1]
            made.stream.undo(event)
            until(lambda: sum(len(shop.taken_back) for shop in shops) == 1, "one of them")
        assert sum(len(shop.taken_back) for shop in shops) == 1


def test_that_fails_is_told_and_may_be_tried_again() -> None:
    failures = [ConnectionError("the bank is closed")]

    def take_back(event: Event) -> None:
        if failures:
            raise failures.pop()

    with bench() as made:
        event = refunded(made, Shop(made, undo=take_back))
        done = made.stream.undo(event)
        assert (done.outcome, done.reason) == ("error", "ConnectionError: the bank is closed")
        assert len(made.events()) == 1
        assert made.stream.undo(event).outcome == "success"


def test_while_paused_also_by_a_function_that_is_guarded_itself() -> None:
    with bench() as made:

        @made.guard.action("transact", "refund.void")
        def void(event: Event) -> str:
            return event.event_id

        event = refunded(made, Shop(made, undo=void))
        made.obey(State.OPEN)
        with pytest.raises(BreakerOpen):
            void(event)
        assert made.stream.undo(event).outcome == "success"
        assert [e.action for e in made.events()] == [
            "refund.create",
            "refund.void",
            "refund.create",
        ]


def test_coroutine_function() -> None:
    ran = threading.Event()

    async def take_back(event: Event) -> None:
        ran.set()

    with bench() as made:
        event = refunded(made, Shop(made, undo=take_back))
        assert made.stream.undo(event).outcome == "success"
        assert ran.is_set()


def test_an_order_that_came_while_nobody_lived_is_heard_while_it_is_fresh() -> None:
    with bench() as made:
        event = refunded(made, Shop(made))

    def order(expires_s: int, request_id: str) -> Undo:
        return Undo(
            request_id=request_id,
            workflow="refunds",
            issued_at=datetime.now(UTC),
            issued_by="user:ana",
            event=event,
            reason="twice",
            expires_s=expires_s,
        )

    stream = made.stream
    stream.write(order(1, "old"))
    stream.approvals[-1] = stream.approvals[-1]._replace(at_ms=stream.approvals[-1].at_ms - 2000)
    stream.write(order(60, "fresh"))
    again = Bench(stream=stream)
    with again.guard:
        shop = Shop(again)
        until(lambda: stream.requests[-1].done, "the fresh one")
    assert [request.claim is not None for request in stream.requests] == [False, True]
    assert len(shop.taken_back) == 1


def test_what_this_guard_cannot_undo_is_left_to_others() -> None:
    with bench() as made:
        shop = Shop(made)
        event = refunded(made, shop).model_copy(update={"action": "payout.create"})
        with pytest.raises(TimeoutError):
            made.stream.undo(event, timeout_s=0.3)
        assert made.stream.requests[-1].claim is None


# --- reversible only -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "capability", "undo", "runs"),
    [
        (True, "transact", True, True),
        (True, "transact", False, False),
        (["transact"], "transact", False, False),
        (["transact"], "update", False, True),
        ("update", "update", False, False),
        (False, "transact", False, True),
    ],
)
def test_action_without_an_undo_is_refused(
    setting: Any, capability: str, undo: bool, runs: bool
) -> None:
    with bench(reversible_only=setting) as made:
        option: dict[str, Any] = {"undo": print} if undo else {}
        act = made.guard.action(capability, "act", **option)(lambda: "ran")
        if runs:
            assert act() == "ran"
        else:
            with pytest.raises(LimitExceeded, match="undo: it has none") as refused:
                act()
            assert refused.value.field == "undo"
            assert made.event().outcome is Outcome.DENIED


def test_attempts_have_no_undo() -> None:
    with (
        bench(reversible_only=True) as made,
        pytest.raises(LimitExceeded, match="undo: it has none"),
        made.guard.attempt("transact", "refund.create"),
    ):
        pass


def test_setting_that_cannot_be_is_named() -> None:
    with pytest.raises(ValueError, match="reversible_only: must be True, False or some of send"):
        Bench(reversible_only=["refund"])
