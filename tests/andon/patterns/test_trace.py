"""The decision trace: what an audited action saw, what was decided, executed, and came of it."""

from __future__ import annotations

from typing import Any

import pytest

from andon import BreakerOpen, LimitExceeded, ReviewNeeded, State
from andon.approvals_log import Standing
from tests.andon.guarding import Bench, bench
from tests.andon.streaming import until


def undo(event: object) -> None: ...


def refund(charge: str, amount: float, card: str = "4111") -> str:
    return f"refunded {charge}"


def audited(made: Bench, function: Any = refund, **options: Any) -> Any:
    return made.guard.action(
        "transact", "refund.create", value="amount", currency="USD", **options
    )(function)


def test_of_an_action_that_ran() -> None:
    with bench() as made:
        audited(made, undo=undo, hide=["card"])("ch_1", amount=25)
        assert made.event().decision == {
            "saw": {"arguments": {"charge": "ch_1", "amount": 25, "card": "(hidden)"}},
            "decided": {"verdict": "ran", "breaker": {"state": "CLOSED", "generation": 0}},
            "executed": {"function": f"{__name__}:refund", "undo": f"{__name__}:undo"},
            "outcome": {"outcome": "success", "result": "refunded ch_1"},
        }


def test_of_one_that_failed_and_of_one_that_did_not_fit() -> None:
    def broken(amount: float) -> None:
        raise ConnectionError("no bank")

    with bench() as made:
        act = audited(made, broken, audit=True)
        with pytest.raises(ConnectionError):
            act(5)
        with pytest.raises(TypeError):
            act()
        failed, unfit = (event.decision for event in made.events())
        assert failed is not None
        assert unfit is not None
        assert failed["outcome"] == {"outcome": "error", "reason": "ConnectionError: no bank"}
        assert unfit["saw"] == {}


def test_of_one_that_was_refused() -> None:
    policy = {"name": "p", "limits": [{"value": 20, "currency": "USD"}]}
    with bench(policy=policy) as made:
        act = audited(made)
        act("ch_1", 20)
        with pytest.raises(LimitExceeded):
            act("ch_1", 25)
        ran, refused = made.events()
        assert ran.decision is None  # nothing was found, nothing was asked for
        assert refused.decision is not None
        assert refused.decision["executed"] is None
        decided = refused.decision["decided"]
        assert decided["verdict"] == "refused"
        assert decided["policy"].startswith("p@")
        assert decided["objections"] == ["value: 25 USD in one action, 20 USD is the most"]


def test_of_one_that_a_pause_refused() -> None:
    with bench(audit=True) as made:
        made.obey(State.OPEN, 7)
        with pytest.raises(BreakerOpen):
            audited(made)("ch_1", 5)
        decision = made.event().decision
        assert decision is not None
        assert decision["decided"] == {
            "verdict": "refused",
            "breaker": {"state": "OPEN", "generation": 7},
        }
        assert decision["outcome"]["reason"] == "paused, generation 7"


def test_of_one_that_people_approved() -> None:
    with bench() as made:
        act = audited(made, review=True)
        with pytest.raises(ReviewNeeded) as caught:
            act("ch_1", 5)
        ticket = caught.value.ticket
        made.stream.answer(until(lambda: made.stream.requests, "it")[0], "approve", "user:ana")
        assert ticket.wait(5) is Standing.APPROVED
        ticket.run()
        decision = made.events()[-1].decision
        assert decision is not None
        assert decision["decided"]["approval"] == {"request": ticket.id, "by": ["user:ana"]}


def test_of_one_in_shadow() -> None:
    policy = {"name": "p", "mode": "shadow", "scope": {"targets": "ch_*"}}
    with bench(policy=policy) as made:
        audited(made)("ch_1", 5)
        decision = made.event().decision
        assert decision is not None
        assert decision["decided"]["would"] == ["deny: target: is not known; allowed: ch_*"]


def test_of_an_attempt_in_a_guard_that_audits_all() -> None:
    with bench(audit=True) as made:
        with made.guard.attempt("send", "mail.send", recipients=["a", "b"], target="x"):
            pass
        decision = made.event().decision
        assert decision is not None
        assert decision["saw"] == {"arguments": {"target": "x", "recipients": ["a", "b"]}}


def test_what_the_automation_told_itself_is_kept() -> None:
    def decision(call: Any) -> dict[str, Any]:
        return {"saw": "3 complaints", "decided": {"model": "m-1"}, "confidence": 0.9}

    with bench() as made:
        audited(made, decision=decision, audit=True)("ch_1", 5)
        told = made.event().decision
        assert told is not None
        assert told["saw"]["told"] == "3 complaints"
        assert told["saw"]["arguments"]["charge"] == "ch_1"
        assert (told["decided"]["model"], told["decided"]["verdict"]) == ("m-1", "ran")
        assert told["confidence"] == 0.9


def test_what_cannot_be_shown_or_is_long_costs_nothing_else() -> None:
    def odd(amount: float, loop: list[Any], text: str, thing: object) -> object:
        return {object(): 1}

    loop: list[Any] = []
    loop.append(loop)
    with bench() as made:
        audited(made, odd, audit=True)(5, loop, "x" * 10_000, object())
        told = made.event().decision
        assert told is not None
        shown = told["saw"]["arguments"]
        assert shown["loop"] == "[[...]]"
        assert (len(shown["text"]), shown["text"][-1]) == (2001, "…")
        assert shown["thing"].startswith("<object object")
        assert made.counted("faults") == {}


def test_without_patterns_nothing_is_traced() -> None:
    with bench() as made:
        audited(made)("ch_1", 5)
        audited(made, undo=undo, audit=False)("ch_1", 5)
        assert [event.decision for event in made.events()] == [None, None]
