"""Limits: what one action may do, and what all of a window may."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from andon import Guard, LimitExceeded, MemoryTransport, Outcome
from tests.andon.guarding import NOON, bench

REFUND = {"value": 2000, "currency": "USD", "where": {"action": "refund*"}}
HOURLY = {"value": 5000, "currency": "USD", "over": "1h"}


def act(
    guard: Guard, capability: str = "transact", action: str = "refund.create", **given: Any
) -> str:
    """What the refusal says; nothing where it ran."""
    try:
        with guard.attempt(capability, action, **given):
            return ""
    except LimitExceeded as refusal:
        return f"{refusal.field}: {refusal.reason}"


def usd(amount: Any) -> dict[str, Any]:
    return {"value": amount, "currency": "USD"}


@pytest.mark.parametrize(
    ("limit", "given", "said"),
    [
        (REFUND, usd(2000), ""),
        (REFUND, usd(2000.01), "value: 2,000.01 USD in one action, 2,000 USD is the most"),
        (REFUND, usd(None), "value: is not known before the action runs: pass value=…"),
        (REFUND, usd(-5), "value: -5 is no amount"),
        (REFUND, usd(float("nan")), "value: nan is no amount"),
        (REFUND, usd("much"), "value: 'much' is no amount"),
        (REFUND, {"value": 5, "currency": "EUR"}, "currency: is 'EUR', and the limit is written"),
        (REFUND, {"value": 5, "currency": "usd"}, ""),
        (REFUND, usd(9000) | {"action": "payout.create"}, ""),
        ({"recipients": 3}, {"capability": "send", "recipients": ["a", "b", "c"]}, ""),
        ({"recipients": 3}, {"capability": "send", "recipients": 4}, "recipients: 4 recipients in"),
        ({"recipients": 3}, {"capability": "send"}, "recipients: is not known before"),
        ({"recipients": 3}, {"capability": "send", "recipients": "all"}, "recipients: 'all' is no"),
        ({"recipients": 3}, usd(5), ""),  # money moves, nobody is written to
        ({"value": 5, "currency": "USD"}, {"capability": "update"}, ""),
        ({"value": 5, "currency": "USD"}, {"capability": "update"} | usd(6), "value: 6 USD in"),
    ],
)
def test_holds_one_action_against_a_limit(
    limit: dict[str, Any], given: dict[str, Any], said: str
) -> None:
    with bench(policy={"name": "p", "limits": [limit]}) as desk:
        told = act(desk.guard, **given)
        assert told.startswith(said) if said else not told
        assert desk.event().outcome is (Outcome.DENIED if said else Outcome.SUCCESS)
        assert desk.event().reason == (told or None)
        assert desk.counted("checks") == {"deny" if said else "passed": 1}


def test_each_currency_has_a_limit_of_its_own() -> None:
    limits = [usd(100), {"value": 90, "currency": "EUR"}]
    with bench(policy={"name": "p", "limits": limits}) as desk:
        assert not act(desk.guard, value=90, currency="EUR")
        assert act(desk.guard, value=91, currency="EUR").startswith("value: 91 EUR")
        assert act(desk.guard, value=1, currency="GBP").startswith("currency: is 'GBP'")


def test_tells_all_that_is_against_it() -> None:
    policy = {"name": "p", "limits": [usd(5)], "scope": {"actions": "refund.list"}}
    with bench(policy=policy) as desk:
        told = act(desk.guard, value=6, currency="USD")
        assert told == (
            "action: 'refund.create' is not in scope; allowed: refund.list; "
            "value: 6 USD in one action, 5 USD is the most"
        )


def test_decorator_has_limits_of_its_own() -> None:
    with bench() as desk:
        ran: list[int] = []

        @desk.guard.action(
            "transact", "refund.create", value="amount", currency="USD", limits=[usd(50)]
        )
        def refund(amount: int) -> None:
            ran.append(amount)

        refund(50)
        with pytest.raises(LimitExceeded, match="value: 51 USD in one action, 50 USD is the most"):
            refund(51)
        assert ran == [50]
        assert not act(desk.guard, value=51, currency="USD")


def test_amount_that_only_the_result_knows_is_missing() -> None:
    with bench() as desk:

        @desk.guard.action(
            "transact", "refund.create", value="result", currency="USD", limits=[usd(50)]
        )
        def refund() -> int:
            return 5

        with pytest.raises(LimitExceeded, match="value: is not known before the action runs"):
            refund()


@pytest.mark.parametrize(
    ("options", "mistake"),
    [
        ({"limits": [{"value": 5}]}, r"limits\[0\]: currency: goes with `value`"),
        ({"limits": [usd(5), {"actions": 5}]}, r"limits\[1\]: over: goes with `actions`"),
        ({"limits": [{"valu": 5}]}, r"limits\[0\].valu: Extra inputs"),
        ({"limits": [5]}, r"limits\[0\]: must be a mapping"),
        ({"scope": {"target": "x"}}, r"scope.target: Extra inputs"),
    ],
)
def test_mistake_is_found_where_the_function_is_decorated(
    options: dict[str, Any], mistake: str
) -> None:
    with bench() as desk, pytest.raises(ValueError, match=mistake):
        desk.guard.action("transact", "refund.create", **options)


# --- windows ------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> Any:
        return self.now

    def wait(self, **time: float) -> None:
        self.now += timedelta(**time)


def test_sum_of_a_window() -> None:
    clock = Clock()
    with bench(policy={"name": "p", "limits": [HOURLY]}, ledger=":memory:", clock=clock) as desk:
        assert not act(desk.guard, **usd(3000))
        assert act(desk.guard, **usd(2000.01)) == (
            "value: 2,000.01 USD on top of 3,000 USD within 1h, 5,000 USD is the most"
        )
        assert not act(desk.guard, **usd(2000))
        assert act(desk.guard, **usd(0.01))
        clock.wait(hours=1, seconds=4)
        assert not act(desk.guard, **usd(5000))


def test_so_many_actions_an_hour() -> None:
    policy = {"name": "p", "limits": [{"actions": 2, "over": "1h"}]}
    with bench(policy=policy, ledger=":memory:") as desk:
        told = [act(desk.guard, "update", "record.set") for _ in range(3)]
        assert told == [
            "",
            "",
            "actions: 1 action on top of 2 actions within 1h, 2 actions is the most",
        ]


@pytest.mark.parametrize("ending", ["error", "denied"])
def test_action_that_failed_gives_its_reservation_back(ending: str) -> None:
    with bench(policy={"name": "p", "limits": [HOURLY]}, ledger=":memory:") as desk:
        with desk.guard.attempt("transact", "refund.create", **usd(5000)) as attempt:
            assert act(desk.guard, **usd(1))  # reserved while it runs
            attempt.outcome = ending
        assert not act(desk.guard, **usd(5000))
        assert act(desk.guard, **usd(1))


def test_what_was_really_moved_is_what_counts() -> None:
    with bench(policy={"name": "p", "limits": [HOURLY]}, ledger=":memory:") as desk:
        with desk.guard.attempt("transact", "refund.create", **usd(5000)) as attempt:
            attempt.value = 4000
        assert not act(desk.guard, **usd(1000))
        assert act(desk.guard, **usd(1))


def test_a_pause_gives_the_reservation_back() -> None:
    """Paused between the guardrails' word and the action: nothing is spent."""
    from andon import BreakerOpen, State
    from tests.andon.guarding import command

    with bench(policy={"name": "p", "limits": [HOURLY]}, ledger=":memory:") as desk:
        gate, judged = desk.guard._gate, []
        judge = gate.judge

        def paused_at_last(*of: Any, take: bool, careful: bool = False) -> Any:
            judged.append(take)
            if take and len(judged) == 2:
                gate.obey(command("refunds", 1, State.OPEN))
            return judge(*of, take=take, careful=careful)

        gate.judge = paused_at_last  # type: ignore[method-assign]
        with pytest.raises(BreakerOpen):
            act(desk.guard, **usd(5000))
        gate.judge = judge  # type: ignore[method-assign]
        desk.obey(State.CLOSED, 2)
        assert not act(desk.guard, **usd(5000))


def test_limits_of_two_workflows_have_nothing_to_do_with_each_other(tmp_path: Any) -> None:
    policy = {"name": "p", "limits": [HOURLY]}
    settings: dict[str, Any] = {"policy": policy, "ledger": str(tmp_path / "l.db")}
    for workflow in ("eu", "us"):
        with Guard(workflow, "bot", transport=MemoryTransport(), **settings) as guard:
            assert not act(guard, **usd(5000))
    with Guard("eu", "other-bot", transport=MemoryTransport(), **settings) as guard:
        assert act(guard, **usd(1))


def test_fails_closed_where_sums_cannot_be_kept(tmp_path: Any) -> None:
    (tmp_path / "file").write_text("")
    ledger = str(tmp_path / "file" / "ledger.db")
    with bench(policy={"name": "p", "limits": [HOURLY]}, ledger=ledger) as desk:
        assert "cannot be kept" in act(desk.guard, **usd(1))
        assert desk.counted("faults") == {"ledger": 1}
        assert act(desk.guard, "update", "record.set") == ""  # no sum is asked for


# --- policies and modes -------------------------------------------------------------------------


def test_the_first_policy_that_matches_holds() -> None:
    book = {
        "version": 1,
        "policies": [
            {"name": "other", "match": {"workflow": "x*"}, "limits": [usd(1)]},
            {"name": "money", "match": {"capability": "transact"}, "limits": [usd(10)]},
            {"name": "rest", "limits": [usd(2)]},
        ],
    }
    with bench(policy=book) as desk:
        assert not act(desk.guard, **usd(10))
        assert act(desk.guard, "update", **usd(10))


def settings_of_shadow() -> list[dict[str, Any]]:
    limits = {"name": "p", "limits": [usd(10), HOURLY], "scope": {"targets": "ch_*"}}
    return [{"policy": limits | {"mode": "shadow"}}, {"policy": limits, "guardrails": "shadow"}]


@pytest.mark.parametrize("settings", settings_of_shadow())
def test_shadow_checks_and_counts_and_refuses_nothing(settings: dict[str, Any]) -> None:
    with bench(ledger=":memory:", **settings) as desk:
        assert act(desk.guard, **usd(6000)) == ""
        event = desk.event()
        assert event.outcome is Outcome.SUCCESS
        assert event.labels["andon_would"] == (
            "deny: target: is not known; allowed: ch_*; "
            "deny: value: 6,000 USD in one action, 10 USD is the most; "
            "deny: value: 6,000 USD on top of 0 USD within 1h, 5,000 USD is the most"
        )
        assert desk.counted("checks") == {"would_deny": 1}


@pytest.mark.parametrize(
    "settings",
    [
        {"policy": {"name": "p", "limits": [usd(10)], "mode": "off"}},
        {"policy": {"name": "p", "limits": [usd(10)]}, "guardrails": "off"},
        {"policy": {"name": "p", "limits": [usd(10)], "match": {"workflow": "x"}}},
    ],
)
def test_off_is_off(settings: dict[str, Any]) -> None:
    with bench(**settings) as desk:
        assert act(desk.guard, **usd(11)) == ""
        assert desk.event().labels == {}
        assert desk.counted("checks") == {}


@pytest.mark.parametrize(
    ("policy", "mistake"),
    [
        ({"limits": []}, "policy.name: Field required"),
        ({"name": "p", "limits": [{"value": 5}]}, "policy.limits.0: currency: goes with"),
        ({"version": 1, "policies": []}, "policy.policies: must hold at least one"),
        (5, "policy: must be a mapping"),
    ],
)
def test_policy_that_cannot_be_read_is_an_error_at_once(policy: Any, mistake: str) -> None:
    with pytest.raises(ValueError, match=mistake):
        Guard("refunds", "bot", transport=MemoryTransport(), policy=policy)


def test_costs_nothing_where_nothing_is_asked_for() -> None:
    """Guardrails are not so much as called for an action that has none."""
    with bench() as desk:
        assert desk.guard.ready(5)
        desk.guard._rails.admit = pytest.fail  # type: ignore[assignment]
        assert act(desk.guard, **usd(1)) == ""
