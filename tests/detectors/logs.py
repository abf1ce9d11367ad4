"""Logs and policy books that hypothesis makes up.

Times lie on a coarse grid, so that window edges, equal times and exact ages happen all the time;
names come from small pools, so that groups, duplicates and reversals meet.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from andon.policy import PolicyBook
from tests.eventlog import book_of, line

Log = list[bytes]


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


OVER = st.sampled_from(["60s", "60s", "2m", "10m"])
SHARE = st.sampled_from([0, 0.05, "25%", 1 / 3, "50%", 2 / 3, 1])
AMOUNT = st.sampled_from([0, 0.3, 1, 2, 3, 4.35, 10])
PER = maybe(st.sampled_from(["target", "automation", "action", "run"]))
WHERE: st.SearchStrategy[dict[str, Any]] = st.just({}) | st.fixed_dictionaries(
    {},
    optional={
        "action": st.sampled_from(["refund*", ["refund.create", "send"], "[rs]*", "nothing"]),
        "target": st.sampled_from(["ch_*", "ch_1", "*"]),
        "automation": st.sampled_from(["agent-*", "agent-1"]),
        "capability": st.sampled_from(["transact", ["send", "update"]]),
        "outcome": st.sampled_from(["success", "error", ["error", "denied"], "*"]),
        "by": st.sampled_from(["human", "automation", ["human", "system"], "*"]),
    },
).filter(lambda where: len(where) < 3)


RATES = ["error", "denied", *["reversal"] * 4, "volume", "value", "duplicate", "steps"]


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    rate = draw(st.sampled_from(RATES))
    rule: dict[str, Any] = {"rate": rate, "over": draw(OVER), "where": draw(WHERE)}
    if rate == "steps":
        return bounded(draw, rule, AMOUNT)
    if per := draw(PER):
        rule["per"] = per
    if rate in ("error", "denied", "reversal"):
        rule["min"] = draw(st.sampled_from([1, 1, 2, 4]))
    if rate == "reversal":
        rule["attribute"] = draw(st.sampled_from(["arrival", "cohort", "cohort"]))
        rule["weigh"] = draw(st.sampled_from(["count", "value"]))
    if rate == "volume":
        rule["of"] = draw(st.sampled_from(["events", "recipients"]))
    if rate == "duplicate":
        fields = st.sampled_from(["action", "target", "value", "currency", "recipients", "run"])
        rule["same"] = draw(st.lists(fields, min_size=1, max_size=3, unique=True))
    if rate == "value" or rule.get("weigh") == "value":
        rule["currency"] = draw(st.sampled_from(["USD", "EUR"]))
    return bounded(draw, rule, SHARE if "min" in rule else AMOUNT)


def bounded(
    draw: st.DrawFn, rule: dict[str, Any], bounds: st.SearchStrategy[Any]
) -> dict[str, Any]:
    return rule | {draw(st.sampled_from(["above", "at_least"])): draw(bounds)}


@st.composite
def conversions(draw: st.DrawFn, own: list[dict[str, Any]]) -> dict[str, Any]:
    """At times other currencies count in rules of one."""
    counted = [rule["currency"] for rule in own if "currency" in rule]
    if not counted or draw(st.booleans()):
        return {}
    to = draw(st.sampled_from(counted))
    others = sorted({"USD", "EUR", "GBP", "JPY"} - {to})
    worth = st.sampled_from([1.08, 0.5, 0.0065, 0.000123456789, 3])
    rates = draw(st.dictionaries(st.sampled_from(others), worth, min_size=1))
    return {"convert": {"to": to, "rates": rates}}


TRIAL = {"permits": 2, "pass": 2}
SLOW = {"permits": 5, "for": "60s"}
RECOVER = st.sampled_from(
    [
        {"after": "manual"},
        {"after": "60s"},
        {"after": "60s", "trial": TRIAL, "slow": SLOW},
        {"after": "30s", "after_max": "70s", "trial": TRIAL, "second_person": "1h"},
        {"after": "30s", "after_max": "5m", "trial": {"permits": 1, "pass": 1}, "slow": SLOW},
    ]
)


@st.composite
def books(draw: st.DrawFn, *, few_pauses: bool = False) -> PolicyBook:
    """`few_pauses`: at times hardly anything may be paused without a person."""
    narrow = [{"capability": "send"}, {"workflow": "refunds"}, {"automation": ["agent-2", "desk"]}]
    chosen = draw(st.lists(st.sampled_from(narrow), max_size=2, unique_by=str))
    policies = []
    for place, match in enumerate([*chosen, {}]):
        own = draw(st.lists(rules(), min_size=2, max_size=5))
        policies.append(
            {
                "name": f"policy-{place}",
                "match": match,
                "mode": draw(st.sampled_from([*["enforce"] * 6, "shadow", "off"])),
                "recover": draw(RECOVER),
                "rules": [rule | {"name": f"rule-{n}"} for n, rule in enumerate(own)],
                **draw(conversions(own)),
            }
        )
    few = {"share": "1%", "over": "2m", "min": draw(st.sampled_from([0, 1, 10]))}
    return book_of(*policies, **({"auto_pause": few} if few_pauses else {}))


# How many events back in the log an id is from: 0 is the event's own, below 0 one yet to come.
BACK = st.sampled_from([*[0] * 12, 1, 3])
UNDONE = st.sampled_from([*[None] * 12, 1, 1, 2, 3, 5, 10, 0, -1, -3])
EVENT = {
    "workflow": st.sampled_from([*["refunds"] * 7, "sends"]),
    "automation": st.sampled_from([*["agent-1"] * 4, "agent-2", "desk"]),
    "capability": st.sampled_from([*["transact"] * 5, "send", "update"]),
    "action": st.sampled_from(["refund.create", "refund.create", "send"]),
    "target": st.sampled_from(["ch_1", "ch_1", "ch_2", "x", "", None]),
    "outcome": st.sampled_from([*["success"] * 6, "error", "denied"]),
    "value": st.sampled_from([0, 0.1, 1, 1.45, 2.9, 1000000.01, None]),
    "currency": st.sampled_from([*["USD"] * 6, "EUR", "EUR", "gbp"]),
    "recipients": st.sampled_from([0, 1, 2, 3, None]),
    "by": st.sampled_from([*["automation"] * 8, "human", "system"]),
    "mode": st.sampled_from([*["live"] * 12, "shadow", "sandbox"]),
    "run": st.sampled_from(["run-1", "run-2", None]),
}
# Seconds since the event before it in the log: mostly on, sometimes far, sometimes back.
STEP = st.sampled_from([0, 0, 10, 10, 20, 30, 60, 59.999999, 0.000001, -10, -30, -60, 120])


STEPS = st.tuples(STEP, BACK, UNDONE, st.fixed_dictionaries(EVENT))


@st.composite
def logs(draw: st.DrawFn) -> Log:
    steps = draw(st.lists(STEPS, max_size=8) | st.lists(STEPS, min_size=20, max_size=50))
    at, log = 0.0, []
    for n, (step, back, undone, fields) in enumerate(steps):
        at += step
        reverses = None if undone is None else f"id-{n - undone}"
        log.append(line(f"id-{n - back}", at, reverses=reverses, **fields))
    return log
