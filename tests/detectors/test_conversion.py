"""`convert`: money of several currencies in one rule, worked out by hand."""

from __future__ import annotations

from typing import Any

from backtest.ledger import Ledger
from backtest.replay import replay
from detectors.columns import Records
from detectors.forgetting import Bounds
from detectors.line import Line
from detectors.plan import compile_book
from tests.engine import agreed_edges, engine_effects
from tests.eventlog import book, line

MONEY = {"rate": "value", "over": "1h", "currency": "USD"}
TO_USD = {"to": "USD", "rates": {"EUR": 1.08, "gbp": 1.27, "JPY": 0.0065}}


def paid(at: float, value: float, currency: str, **fields: Any) -> bytes:
    return line(f"{currency}-{at}", at, value=value, currency=currency, **fields)


def test_other_currencies_count_at_their_rates() -> None:
    log = [paid(0, 1000, "USD"), paid(1, 1000, "eur"), paid(2, 1000, "GBP"), paid(3, 10, "JPY")]
    policy = book(MONEY | {"at_least": 3350}, convert=TO_USD)
    (edge,) = agreed_edges(policy, log)
    assert (edge["event_id"], edge["observed"], edge["events"]) == ("GBP-2", 3350.0, 3)
    (edge,) = agreed_edges(book(MONEY | {"above": 3350}, convert=TO_USD), log)
    assert (edge["event_id"], edge["observed"]) == ("JPY-3", 3350.065)
    assert agreed_edges(book(MONEY | {"at_least": 1001}), log) == []


def test_sums_are_exact_and_nothing_is_rounded_on_the_way() -> None:
    """A thousandth of a yen a thousand times is one yen, however often it came and went."""
    log = [paid(n, 0.001, "JPY") for n in range(9000)]
    (edge,) = agreed_edges(book(MONEY | {"over": "1000s", "at_least": 0.0065}, convert=TO_USD), log)
    assert (edge["event_id"], edge["observed"]) == ("JPY-999", 0.0065)


def test_rules_of_other_currencies_count_their_own() -> None:
    rules = [MONEY | {"at_least": 100}, MONEY | {"currency": "EUR", "at_least": 100}]
    log = [paid(0, 90, "EUR"), paid(1, 5, "USD"), paid(2, 5, "EUR"), paid(3, 5, "EUR")]
    edges = agreed_edges(book(*rules, convert=TO_USD), log)
    assert [(edge["rule"], edge["event_id"], edge["observed"]) for edge in edges] == [
        ("rule-0", "USD-1", 102.2),
        ("rule-1", "EUR-3", 100.0),
    ]


def test_a_detection_tells_money_in_the_currency_of_the_rule() -> None:
    policy = book(MONEY | {"above": 200}, convert=TO_USD)
    log = [paid(0, 100, "USD"), paid(1, 100, "EUR"), paid(2, 7, "CHF")]
    (found,) = [one for effects in engine_effects(policy, log) for one in effects.detections]
    assert found.money == {"USD": 208.0}
    assert found.reason().text == "money moved $208 USD in 1h, bound $200 USD"


def test_reversals_weigh_what_they_are_worth() -> None:
    rule = {"rate": "reversal", "over": "1h", "weigh": "value", "currency": "USD", "at_least": 0.5}
    log = [
        paid(0, 100, "USD"),
        paid(1, 100, "EUR"),
        paid(2, 100, "EUR", reverses="EUR-1", by="human"),
    ]
    (edge,) = agreed_edges(book(rule, convert=TO_USD), log)
    assert (edge["event_id"], edge["observed"], edge["events"]) == ("EUR-2", 108 / 208, 2)


def test_usual_is_of_converted_money() -> None:
    rule = MONEY | {"above": "4x usual", "floor": 10}
    days = [paid(day * 86_400, 100, ("USD", "EUR")[day % 2]) for day in range(20)]
    log = [*days, paid(20 * 86_400, 401, "EUR")]
    (edge,) = agreed_edges(book(rule, convert=TO_USD), log)
    assert (edge["bound"], edge["observed"], edge["usual"]["level"]) == (432.0, 433.08, 108.0)


def test_a_currency_without_a_rate_is_not_counted_and_that_is_told() -> None:
    log = [paid(n, 10, ("CHF", "SEK", "USD")[n % 3]) for n in range(9)]
    log += [paid(9, 10, "CHF", outcome="error"), paid(10, 10, "CHF", by="human"), log[0]]
    for convert, told in ((TO_USD, {"CHF": 3, "SEK": 3}), (None, None)):
        policy = book(MONEY | {"at_least": 31}, **({"convert": convert} if convert else {}))
        ledger = Ledger()
        for taken in replay(policy, log, batch_size=2):
            ledger.add(taken)
        assert ledger.summary().get("unconverted") == told
        assert ledger.summary()["detections"] == 0


def test_old_events_that_are_held_together_are_worth_the_same() -> None:
    policy = compile_book(book(MONEY | {"at_least": 1e9}, convert=TO_USD))
    log = [paid(n / 10, 1.11, ("EUR", "GBP", "JPY")[n % 3]) for n in range(30_000)]
    exact, coarse = (
        Line(policy, "runs", bounds=bounds, read_out=True)
        for bounds in (Bounds(), Bounds(events_exact=12_000))
    )
    rates = [each.take(Records(log)).readings["rate"][-1] for each in (exact, coarse)]
    assert coarse.windows.events_held < 12_000 < exact.windows.events_held
    assert rates == [11_100 * (1.08 + 1.27 + 0.0065)] * 2
