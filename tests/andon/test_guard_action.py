"""The decorator and the context manager: which event comes of which action."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from andon import BreakerOpen, Call, Capability, LimitExceeded, Outcome, State, current_attempt
from tests.andon.guarding import Bench, bench


@pytest.fixture
def desk() -> Iterator[Bench]:
    with bench() as made:
        yield made


def test_decorated_function_makes_one_event(desk: Bench) -> None:
    @desk.guard.action(
        "transact",
        "refund.create",
        value="amount",
        currency="USD",
        target=lambda call: call.arguments["charge"],
    )
    def refund(charge: str, amount: float = 5.0) -> str:
        """Send money back."""
        return f"re_{charge}"

    assert refund("ch_1", amount=25) == "re_ch_1"
    event = desk.event()
    assert (event.workflow, event.automation) == ("refunds", "refund-bot")
    assert (event.capability, event.action) == (Capability.TRANSACT, "refund.create")
    assert (event.value, event.currency, event.target) == (25.0, "USD", "ch_1")
    assert event.outcome is Outcome.SUCCESS
    assert event.reason is None
    assert refund.__doc__ == "Send money back."
    assert list(inspect.signature(refund).parameters) == ["charge", "amount"]


def test_decorated_coroutine_function_makes_one_event_when_it_is_done(desk: Bench) -> None:
    @desk.guard.action("send", "mail.send", recipients="to", run="result.run")
    async def mail(to: list[str]) -> SimpleNamespace:
        await asyncio.sleep(0)
        return SimpleNamespace(run="run-1")

    assert inspect.iscoroutinefunction(mail)
    waiting = mail(["a@example.com", "b@example.com"])
    assert desk.events() == []
    asyncio.run(waiting)
    event = desk.event()
    assert (event.recipients, event.run) == (2, "run-1")


def test_object_that_is_called_like_a_coroutine_function_is_awaited(desk: Bench) -> None:
    class Tool:
        async def __call__(self, to: str) -> None:
            await asyncio.sleep(0)

    waiting = desk.guard.action("send", "mail.send", target="to")(Tool())("ada")
    assert desk.events() == []
    asyncio.run(waiting)
    assert desk.event().target == "ada"


def test_decorated_method_sees_its_object(desk: Bench) -> None:
    class Desk:
        region = "eu"

        @desk.guard.action("update", "ticket.close", target="self.region")
        def close(self, ticket: int) -> int:
            return ticket

    assert Desk().close(7) == 7
    assert desk.event().target == "eu"


@pytest.mark.parametrize("decorate", [True, False], ids=["decorator", "context manager"])
@pytest.mark.parametrize("is_async", [True, False], ids=["async", "sync"])
def test_exception_is_an_error_and_passes_through(
    desk: Bench, decorate: bool, is_async: bool
) -> None:
    def fail() -> None:
        raise OSError("the till is shut")

    async def fail_later() -> None:
        fail()

    def act() -> None:
        if decorate and is_async:
            asyncio.run(desk.guard.action("send", "mail.send")(fail_later)())
        elif decorate:
            desk.guard.action("send", "mail.send")(fail)()
        elif is_async:
            asyncio.run(act_async())
        else:
            with desk.guard.attempt("send", "mail.send"):
                fail()

    async def act_async() -> None:
        async with desk.guard.attempt("send", "mail.send"):
            await fail_later()

    with pytest.raises(OSError, match="the till is shut"):
        act()
    event = desk.event()
    assert (event.outcome, event.reason) == (Outcome.ERROR, "OSError: the till is shut")


def test_attempt_tells_what_is_set_on_it(desk: Bench) -> None:
    with desk.guard.attempt("send", "mail.send", recipients=3, run=12, step=4) as attempt:
        attempt.value = Decimal("5.25")
        attempt.currency = "EUR"
        attempt.outcome = "error"
        attempt.reason = "bounced"
        attempt.decision = {"saw": ["complaint"]}
        attempt.labels = {"tenant": "t1"}
    event = desk.event()
    assert event.event_id == attempt.event_id
    assert (event.value, event.currency, event.recipients) == (5.25, "EUR", 3)
    assert (event.outcome, event.reason) == (Outcome.ERROR, "bounced")
    assert (event.run, event.step) == ("12", 4)
    assert (event.decision, event.labels) == ({"saw": ["complaint"]}, {"tenant": "t1"})


def test_decision_is_told_as_it_was_when_the_action_ended(desk: Bench) -> None:
    saw = ["complaint"]
    with desk.guard.attempt("send", "mail.send", decision={"saw": saw}):
        pass
    saw.append("later")
    assert desk.event().decision == {"saw": ["complaint"]}


def test_current_attempt_reaches_into_a_decorated_function(desk: Bench) -> None:
    seen: list[str] = []

    @desk.guard.action("update", "outer")
    def outer() -> None:
        inner()
        attempt = current_attempt()
        assert attempt is not None
        attempt.reason = "as agreed"
        seen.append(attempt.event_id)

    @desk.guard.action("update", "inner")
    def inner() -> None:
        attempt = current_attempt()
        assert attempt is not None
        seen.append(attempt.event_id)

    outer()
    assert current_attempt() is None
    events = desk.events()
    assert [event.event_id for event in events] == seen
    assert [event.action for event in events] == ["inner", "outer"]
    assert events[1].reason == "as agreed"


def test_current_attempt_is_each_tasks_own(desk: Bench) -> None:
    async def act(name: str) -> None:
        async with desk.guard.attempt("trigger", name) as attempt:
            await asyncio.sleep(0)
            assert current_attempt() is attempt

    async def main() -> None:
        await asyncio.gather(*(act(f"job-{n}") for n in range(20)))

    asyncio.run(main())
    assert {event.action for event in desk.events()} == {f"job-{n}" for n in range(20)}


def test_cancelled_task_still_tells_its_action(desk: Bench) -> None:
    async def main() -> None:
        async def act() -> None:
            async with desk.guard.attempt("trigger", "slow.job"):
                await asyncio.sleep(60)

        task = asyncio.create_task(act())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    event = desk.event()
    assert (event.outcome, event.reason) == (Outcome.ERROR, "CancelledError: ")


def test_refusal_from_within_counts_as_denied(desk: Bench) -> None:
    with pytest.raises(LimitExceeded), desk.guard.attempt("transact", "refund.create"):
        raise LimitExceeded("refunds", field="value", reason="2,001 is more than 2,000")
    assert desk.event().outcome is Outcome.DENIED


def test_attempt_is_one_action(desk: Bench) -> None:
    attempt = desk.guard.attempt("send", "mail.send")
    with attempt:
        pass
    with pytest.raises(RuntimeError, match="make another one"), attempt:
        pass
    assert len(desk.events()) == 1


# --- the classifier ----------------------------------------------------------------------------


def charge(text: Any) -> Any:
    if isinstance(text, Exception):
        raise text
    return text


@pytest.mark.parametrize(
    ("verdict", "outcome", "reason"),
    [
        (None, Outcome.SUCCESS, None),
        ("error", Outcome.ERROR, None),
        (Outcome.DENIED, Outcome.DENIED, None),
        (("denied", "over the limit"), Outcome.DENIED, "over the limit"),
        ((None, "odd"), Outcome.SUCCESS, "odd"),
    ],
)
def test_classifier_tells_the_outcome_of_a_result(
    desk: Bench, verdict: Any, outcome: Outcome, reason: str | None
) -> None:
    guarded = desk.guard.action("transact", "charge", classify=lambda result: verdict)(charge)
    assert guarded("Insufficient funds.") == "Insufficient funds."
    event = desk.event()
    assert (event.outcome, event.reason) == (outcome, reason)


def test_classifier_sees_text_and_exceptions(desk: Bench) -> None:
    def classify(result: object) -> object:
        if isinstance(result, KeyError):
            return "denied", "no such account"
        return "error" if "Insufficient" in str(result) else None

    guarded = desk.guard.action("transact", "charge", classify=classify)(charge)  # type: ignore[arg-type]
    guarded("Insufficient funds.")
    guarded("ok")
    with pytest.raises(KeyError):
        guarded(KeyError("a"))
    assert [event.outcome for event in desk.events()] == ["error", "success", "denied"]


@pytest.mark.parametrize("verdict", ["fine", 7, ("error", "a", "b")])
def test_classifier_that_answers_nonsense_is_counted_and_passed_over(
    desk: Bench, verdict: Any
) -> None:
    guarded = desk.guard.action("transact", "charge", classify=lambda result: verdict)(charge)
    assert guarded("ok") == "ok"
    assert desk.event().outcome is Outcome.SUCCESS
    assert desk.counted("faults") == {"classifier": 1}


def test_classifier_that_raises_changes_nothing_for_the_application(desk: Bench) -> None:
    def classify(result: object) -> None:
        raise ZeroDivisionError

    guarded = desk.guard.action("transact", "charge", classify=classify)(charge)
    assert guarded("ok") == "ok"
    with pytest.raises(OSError, match="down"):
        guarded(OSError("down"))
    assert [event.outcome for event in desk.events()] == ["success", "error"]
    assert desk.counted("faults") == {"classifier": 2}


# --- what the application told wrongly ---------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("value", -1710.0),
        ("value", float("nan")),
        ("value", "much"),
        ("currency", "dollars"),
        ("recipients", -1),
        ("recipients", "bob@example.com"),
        ("recipients", 2.5),
        ("step", "first"),
        ("decision", 7),
        ("labels", {1: {2}}.keys()),
    ],
)
def test_wrong_field_costs_the_event_that_field_alone(
    desk: Bench, field: str, value: object
) -> None:
    fields: dict[str, object] = {"value": 5, "currency": "USD", "target": "ch_1"} | {field: value}
    with desk.guard.attempt("transact", "refund.create", **fields):  # type: ignore[arg-type]
        pass
    event = desk.event()
    assert getattr(event, field) in (None, {}) or field == "labels"
    assert desk.counted("faults")["field"] >= 1
    assert desk.counted("events") == {"queued": 1, "sent": 1}


def test_value_without_its_currency_is_left_out_and_noted(desk: Bench) -> None:
    with desk.guard.attempt("transact", "refund.create", value=5):
        pass
    event = desk.event()
    assert event.value is None
    assert "currency" in event.labels["andon_omitted"]["value"]


def test_event_too_large_for_the_broker_loses_its_bulk(desk: Bench) -> None:
    with desk.guard.attempt("send", "mail.send", decision={"page": "x" * 2_000_000}, target="a"):
        pass
    event = desk.event()
    assert (event.decision, event.target) == (None, "a")
    assert "bytes" in event.labels["andon_omitted"]["decision"]


def test_text_that_is_no_unicode_is_mended(desk: Bench) -> None:
    with desk.guard.attempt("send", "mail.send", target="a\ud800", reason="\ud800b", run="\ud800"):
        pass
    event = desk.event()
    assert (event.target, event.reason, event.run) == ("a?", "?b", "?")


@pytest.mark.parametrize("name", ["", "x" * 300, "\ud800"])
def test_odd_action_name_is_mended(desk: Bench, name: str) -> None:
    with desk.guard.attempt("trigger", name):
        pass
    assert 1 <= len(desk.event().action) <= 200


def test_exception_that_cannot_be_shown_is_still_an_error(desk: Bench) -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    with pytest.raises(MuteError), desk.guard.attempt("trigger", "job"):
        raise MuteError
    assert desk.event().outcome is Outcome.ERROR


def test_failing_extractor_is_counted_once_and_costs_its_field(desk: Bench) -> None:
    @desk.guard.action("update", "ticket.close", target="ticket.id", run="result.id")
    def close(ticket: object) -> object:
        return ticket

    assert close(None) is None
    event = desk.event()
    assert (event.outcome, event.target, event.run) == (Outcome.SUCCESS, None, None)
    assert desk.counted("faults") == {"extractor": 2}


def test_field_set_from_within_wins_over_the_result(desk: Bench) -> None:
    @desk.guard.action("update", "ticket.close", run="result")
    def close() -> str:
        attempt = current_attempt()
        assert attempt is not None
        attempt.run = "mine"
        return "theirs"

    close()
    assert desk.event().run == "mine"


def test_misuse_is_told_where_the_function_is_decorated(desk: Bench) -> None:
    def pages() -> Iterator[int]:
        yield 1

    async def pages_later() -> AsyncIterator[int]:
        yield 1

    with pytest.raises(ValueError, match=r"capability: must be one of send, update.*'sned'"):
        desk.guard.action("sned", "mail.send")
    for function in (pages, pages_later):
        with pytest.raises(TypeError, match=r"generator.*guard\.attempt"):
            desk.guard.action("send", "mail.send")(function)
    with pytest.raises(TypeError, match="no field 'amount'"):
        desk.guard.attempt("send", "mail.send", amount=3)  # type: ignore[call-arg]


# --- reversals ---------------------------------------------------------------------------------


def test_reversal_takes_over_what_the_guard_remembers(desk: Bench) -> None:
    with desk.guard.attempt(
        "transact", "refund.create", target="ch_1", value=25, currency="USD"
    ) as attempt:
        pass
    event_id = desk.guard.reversed(attempt.event_id, by="human", reason="charged twice")
    _, reversal = desk.events()
    assert reversal.event_id == event_id
    assert (reversal.reverses, reversal.by) == (attempt.event_id, "human")
    assert (reversal.capability, reversal.action) == (Capability.TRANSACT, "refund.create")
    assert (reversal.target, reversal.value, reversal.currency) == ("ch_1", 25.0, "USD")
    assert reversal.reason == "charged twice"
    assert desk.counted("actions") == {"success": 1}


def test_reversal_in_part(desk: Bench) -> None:
    with desk.guard.attempt("transact", "refund.create", value=25, currency="USD") as attempt:
        pass
    desk.guard.reversed(attempt.event_id, by="human", value=10)
    assert desk.events()[1].value == 10.0


def test_reversal_of_an_action_of_another_process(desk: Bench) -> None:
    desk.guard.reversed(
        "0190-old", by="system", capability="transact", action="refund.create", target="ch_9"
    )
    event = desk.event()
    assert (event.reverses, event.by, event.action) == ("0190-old", "system", "refund.create")
    assert desk.counted("faults") == {}


def test_reversal_of_an_unknown_action_is_told_all_the_same_and_counted(desk: Bench) -> None:
    desk.guard.reversed("0190-old", by="human")
    assert desk.event().reverses == "0190-old"
    assert desk.counted("faults") == {"field": 1}


def test_reversal_needs_someone(desk: Bench) -> None:
    with pytest.raises(ValueError, match="martian"):
        desk.guard.reversed("0190-old", by="martian")


def test_call_tells_callables_all_about_the_call(desk: Bench) -> None:
    seen: list[tuple[Any, ...]] = []

    def target(call: Call) -> str:
        seen.append((dict(call.arguments), call.args, call.kwargs))
        return str(call.result["id"])

    @desk.guard.action("update", "ticket.close", target=target)
    def close(ticket: int, *tags: str, note: str = "-", **more: int) -> dict[str, int]:
        return {"id": ticket}

    close(7, "a", more=1)
    assert desk.event().target == "7"
    whole = {"ticket": 7, "tags": ("a",), "note": "-", "more": {"more": 1}}
    assert seen[0] == (whole, (7, "a"), {"more": 1})


def test_breaker_open_is_raised_to_the_caller_of_a_coroutine(desk: Bench) -> None:
    desk.obey(State.OPEN)

    @desk.guard.action("send", "mail.send")
    async def mail() -> None:
        raise AssertionError("must not run")

    async def enter() -> None:
        async with desk.guard.attempt("send", "mail.send"):
            raise AssertionError("must not run")

    for refused in (mail, enter):
        with pytest.raises(BreakerOpen):
            asyncio.run(refused())
    assert [event.outcome for event in desk.events()] == ["denied", "denied"]
