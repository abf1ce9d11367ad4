"""Policies for tests: the contract's own example, and strategies that vary what may vary."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from andon.events import By, Capability, Outcome
from andon.policy import RATE_FIELDS, SAME_FIELDS, Rate

CONTRACT = """\
version: 1
policies:
  - name: refunds
    match: {workflow: "refunds*"}          # globs; first match wins
    mode: enforce                          # enforce | shadow | off
    rules:
      - {name: too-many-reversals, rate: reversal, over: 24h, above: 5%, min: 20}
      - {name: money-per-hour, rate: value, over: 1h, at_least: 5000, currency: USD, \
where: {action: "refund*"}}
      - {name: same-refund-again, rate: duplicate, over: 24h, at_least: 3, \
same: [action, target, value]}
    limits:
      - {value: 2000, currency: USD, where: {action: "refund*"}, then: review}
      - {recipients: 1000, then: sandbox}
    scope: {actions: ["refund.create"], targets: ["ch_*"]}
    recover: {after: manual, trial: {permits: 10, pass: 10}, then: closed}
    alert: {severity: critical, receivers: [payments-oncall], runbook: "https://example.com/r"}
"""

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
DURATIONS = st.builds("{}{}".format, st.integers(1, 3650), st.sampled_from("smhd"))
SHARES = st.floats(0, 1) | st.integers(0, 100).map("{}%".format)
AMOUNTS = st.floats(0, 1e12) | st.integers(0, 10**12)
CURRENCIES = st.sampled_from(["USD", "EUR", "gbp"])
CONVERSION_RATES = st.dictionaries(
    st.sampled_from(["CHF", "jpy", "SEK"]),
    st.integers(1, 10**11) | st.decimals("0.000001", 1000, places=6).map(float),
    min_size=1,
)
GLOBS = NAMES | st.lists(NAMES, min_size=1, max_size=2)

_WHERE = {
    "action": GLOBS,
    "target": GLOBS,
    "automation": GLOBS,
    "capability": st.sampled_from([str(word) for word in Capability] + ["*", "t*"]),
    "outcome": st.sampled_from([str(word) for word in Outcome] + ["*"]),
    "by": st.sampled_from([str(word) for word in By]),
}
WHERES = st.fixed_dictionaries({}, optional=_WHERE)
_OWN = {
    "min": st.integers(1, 10**6),
    "per": st.sampled_from(["target", "automation", "action", "run"]),
    "currency": CURRENCIES,
    "of": st.sampled_from(["events", "recipients"]),
    "floor": st.floats(0.01, 1e9),
    "weigh": st.just("count"),
    "attribute": st.sampled_from(["arrival", "cohort"]),
    "same": st.lists(st.sampled_from(SAME_FIELDS), min_size=1, max_size=3, unique=True),
}
_NEEDED = {Rate.VALUE: ("currency",), Rate.DUPLICATE: ("same",)}


@st.composite
def rules(draw: st.DrawFn, name: str = "rule") -> dict[str, Any]:
    """A valid rule of any rate."""
    rate = draw(st.sampled_from(Rate))
    needed = _NEEDED.get(rate, ())
    bound = draw(st.sampled_from(["above", "at_least"]))
    optional = {field: _OWN[field] for field in sorted(RATE_FIELDS[rate] - set(needed))}
    fields = draw(
        st.fixed_dictionaries(
            {"over": DURATIONS, bound: SHARES} | {field: _OWN[field] for field in needed},
            optional=optional | {"where": WHERES, "method": st.just("window")},
        )
    )
    if "min" in RATE_FIELDS[rate] and draw(st.booleans()):
        fields = {key: part for key, part in fields.items() if key not in ("min", bound)}
        fields |= {"above": draw(st.floats(1e-6, 0.99)), "method": "evidence"}
        fields["false_trips"] = f"1 in {draw(st.integers(100, 10**12 - 1))}"
    if "floor" in RATE_FIELDS[rate]:
        fields = (
            against_usual(draw, fields, bound) if draw(st.booleans()) else without_floor(fields)
        )
    return {"name": name, "rate": str(rate), **fields}


def against_usual(draw: st.DrawFn, fields: dict[str, Any], bound: str) -> dict[str, Any]:
    """The same rule with a bound against the workflow's own history."""
    factor = draw(st.integers(2, 10**6) | st.floats(1.001, 100).map("{:f}".format))
    return {key: part for key, part in fields.items() if key != "per"} | {bound: f"{factor}x usual"}


def without_floor(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: part for key, part in fields.items() if key != "floor"}


_THEN = st.sampled_from(["review", "sandbox", "deny"])
LIMITS = (
    st.fixed_dictionaries(
        {"value": st.floats(0.01, 1e9), "currency": CURRENCIES},
        optional={"where": WHERES, "over": DURATIONS, "then": _THEN},
    )
    | st.fixed_dictionaries(
        {"recipients": st.integers(1, 10**6), "then": st.just("sandbox")},
        optional={"people": st.integers(1, 2), "over": DURATIONS},
    )
    | st.fixed_dictionaries(
        {"actions": st.integers(1, 10**6), "over": DURATIONS}, optional={"then": _THEN}
    )
)


SLOWS = st.fixed_dictionaries(
    {"permits": st.integers(1, 100), "for": DURATIONS}, optional={"every": DURATIONS}
)
_MOST = st.integers(1, 10_000)
BACKLOGS = (
    st.sampled_from(["drop", "hold"])
    | st.fixed_dictionaries({"at_most": _MOST})
    | st.fixed_dictionaries(
        {"release": st.integers(1, 10**6)}, optional={"every": DURATIONS, "at_most": _MOST}
    )
)
RECOVERIES = st.one_of(
    st.just({"after": "manual"}),
    DURATIONS.map(lambda after: {"after": after}),
    DURATIONS.map(lambda after: {"after": after, "after_max": "3650d"}),
)


@st.composite
def policies(draw: st.DrawFn, name: str = "policy") -> dict[str, Any]:
    """A valid policy."""
    passes = draw(st.integers(1, 50))
    trial = {"permits": draw(st.integers(passes, 100)), "pass": passes}
    optional = {
        "match": st.fixed_dictionaries({}, optional={"workflow": GLOBS, "automation": GLOBS}),
        "mode": st.sampled_from(["enforce", "shadow", "off"]),
        "limits": st.lists(LIMITS, max_size=2),
        "scope": st.fixed_dictionaries({}, optional={"actions": GLOBS, "targets": GLOBS}),
        "recover": RECOVERIES.flatmap(
            lambda recover: st.fixed_dictionaries(
                {name: st.just(value) for name, value in recover.items()},
                optional={
                    "trial": st.just(trial),
                    "slow": SLOWS,
                    "second_person": DURATIONS,
                    "backlog": BACKLOGS,
                },
            )
        ),
        "alert": st.fixed_dictionaries(
            {"severity": st.sampled_from(["critical", "error", "warning", "info"])},
            optional={"receivers": st.lists(NAMES, max_size=2), "runbook": NAMES},
        ),
    }
    ruled = [draw(rules(f"rule-{place}")) for place in range(draw(st.integers(0, 3)))]
    for currency in [rule["currency"] for rule in ruled if "currency" in rule][:1]:
        optional["convert"] = st.fixed_dictionaries(
            {"to": st.just(currency), "rates": CONVERSION_RATES}
        )
    return {"name": name, "rules": ruled, **draw(st.fixed_dictionaries({}, optional=optional))}


@st.composite
def books(draw: st.DrawFn) -> dict[str, Any]:
    """A valid policy file, read."""
    listed = [draw(policies(f"policy-{place}")) for place in range(draw(st.integers(1, 2)))]
    shares = st.sampled_from(["5%", "33.3%", 0.2, 1, 1 / 3])
    limit = {"share": shares, "over": DURATIONS, "min": st.integers(0, 99)}
    few = st.fixed_dictionaries({}, optional=limit)
    top = draw(st.fixed_dictionaries({}, optional={"auto_pause": few}))
    return {"version": 1, "policies": listed, **top}
