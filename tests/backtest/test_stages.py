"""Policies of scopes in a backtest: a scope's pause blocks every workflow that is in it."""

from __future__ import annotations

from typing import Any

from andon.policy import PolicyBook
from backtest.ledger import Ledger
from backtest.replay import replay
from tests.eventlog import book_of, line

MONEY = {"name": "money", "rate": "value", "over": "1h", "at_least": 100, "currency": "USD"}


def a_book(**scope: Any) -> PolicyBook:
    never = {"name": "never", "rate": "volume", "over": "1h", "at_least": 1000}
    return book_of(
        {"name": "own", "rules": [never]},
        {"name": "stripe", "breaker": "target", "rules": [MONEY]} | scope,
    )


def ledger(book: PolicyBook, log: list[bytes], **how: Any) -> dict[str, Any]:
    made = Ledger()
    for taken in replay(book, log, **how):
        made.add(taken)
    return made.summary()


def spent(n: int, at: float, workflow: str, value: float, target: str = "stripe") -> bytes:
    return line(f"e{n}", at, workflow=workflow, value=value, currency="USD", target=target)


def test_a_pause_of_a_scope_blocks_all_its_workflows() -> None:
    log = [
        spent(0, 0, "refunds", 60),
        spent(1, 1, "payouts", 40),  # the target has moved 100: paused
        spent(2, 2, "refunds", 5),
        spent(3, 3, "payouts", 7),
        spent(4, 4, "refunds", 9, target="paypal"),
    ]
    told = ledger(a_book(), log, latch=True)
    by_name = {each["workflow"]: each for each in told["workflows"]}
    assert set(by_name) == {"andon:target:stripe", "payouts", "refunds"}
    assert by_name["refunds"]["executed"]["value"] == {"USD": 69}
    assert by_name["payouts"]["executed"]["value"] == {"USD": 40}
    scope = by_name["andon:target:stripe"]
    assert (scope["state"], len(scope["trips"])) == ("OPEN", 1)
    assert scope["blocked"]["value"] == {"USD": 12}
    assert scope["executed"]["value"] == {}
    assert told["events"]["blocked"] == 2


def test_a_scope_comes_back_by_itself_and_passes_its_trial() -> None:
    recover = {"after": "10m", "trial": {"permits": 2, "pass": 2}}
    log = [
        spent(0, 0, "refunds", 100),
        spent(1, 300, "payouts", 1),  # blocked
        spent(2, 601, "payouts", 2),  # on trial
        spent(3, 602, "refunds", 3),  # passed
        spent(4, 603, "refunds", 4),
    ]
    told = ledger(a_book(recover=recover), log, latch=True)
    by_name = {each["workflow"]: each for each in told["workflows"]}
    assert by_name["andon:target:stripe"]["state"] == "CLOSED"
    assert by_name["andon:target:stripe"]["blocked"]["value"] == {"USD": 1}
    assert by_name["payouts"]["executed"]["value"] == {"USD": 2}


def test_without_latch_nothing_is_blocked() -> None:
    log = [spent(n, n, "refunds", 60) for n in range(4)]
    told = ledger(a_book(), log)
    assert told["events"]["blocked"] == 0
    assert told["rules"] == {"stripe/money": 1}
