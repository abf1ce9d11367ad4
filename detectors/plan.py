"""A policy book as arrays: what the windows need to know of every rule, and nothing else."""

from __future__ import annotations

from itertools import count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from andon.convert import Convert
from andon.errors import PolicyError, Problem
from andon.policy import Policy, PolicyBook, Rule, Where
from detectors import conversion
from detectors.evidence import ALTERNATIVES, NO_PROOF, proof_of
from detectors.flags import FILTERS_MAX, FIRST_FILTER
from detectors.rates import TERMS
from detectors.rates.terms import CONVERTED, VALUE, Term, Terms
from detectors.state import NONE

MICRO = 1_000_000


RULE = np.dtype(
    [
        ("above_mask", np.uint32),
        ("above_want", np.uint32),
        ("below_mask", np.uint32),
        ("below_want", np.uint32),
        ("where_mask", np.uint32),
        ("divided", np.bool_),
        ("reversed_late", np.bool_),
        ("strict", np.bool_),
        ("weight", np.int8),
        ("to", np.uint16),  # the number of the currency that others are converted to, or 0
        ("window", np.int32),  # the place of `over` among the policy's distinct windows
        ("group", np.int32),  # the rule's column of group hashes, or NONE
        ("over_us", np.int64),
        ("least", np.int64),
        ("scale", np.float64),  # what a sum is divided by, to be told in the rule's unit
        ("bound", np.float64),  # against usual: the floor
        ("usual", np.int32),  # the place among the policy's rules against usual, or NONE
        ("factor", np.float64),
        ("unknown", np.float64),  # what counts as usual while nothing is known
        ("by_evidence", np.bool_),  # the rest is detectors.evidence.Proof
        ("null", np.float64),
        ("promise", np.float64),
        ("if_bad", np.float64, (ALTERNATIVES,)),
        ("if_good", np.float64, (ALTERNATIVES,)),
    ],
    align=True,
)
POLICY = np.dtype(
    [
        ("first_rule", np.int32),
        ("end_rule", np.int32),
        ("rules", np.int32),
        ("first_window", np.int32),
        ("end_window", np.int32),
        ("usuals", np.int32),  # rules against usual
        ("cohorts", np.bool_),  # does any rule wait for reversals?
        ("longest_us", np.int64),
    ],
    align=True,
)


class Plan(NamedTuple):
    """A book as the compiled loop reads it."""

    policies: NDArray[np.void]  # POLICY
    rules: NDArray[np.void]  # RULE, policy after policy
    window_us: NDArray[np.int64]  # distinct windows, policy after policy
    by_window: NDArray[np.int32]  # rules, window after window
    first_of: NDArray[np.int32]  # by window: its first place there; one more, for the end
    weights: NDArray[np.float64]  # (rules, currencies known from the book)


class PolicyPlan(NamedTuple):
    """What the decoder needs of one policy: its filter bits and its groups' fields."""

    policy: Policy
    wheres: tuple[tuple[int, Where], ...]
    currencies: tuple[tuple[int, frozenset[str]], ...]
    groups: tuple[tuple[str, ...], ...]
    by_target: bool  # does a `where` look at the target, which is no part of a profile?
    converted: frozenset[str]  # the currencies that count where others are converted


class Compiled(NamedTuple):
    """A book, ready to run."""

    book: PolicyBook
    plan: Plan
    policies: tuple[PolicyPlan, ...]
    rules: tuple[Rule, ...]
    currencies: tuple[str, ...]  # what the first numbers of currencies stand for


class _Bits:
    """Hands out one filter bit for each distinct `where` and currency of a policy."""

    def __init__(self, place: int) -> None:
        self._place = place
        self.bits: dict[Where | str, int] = {}

    def of(self, wanted: Where | str | None) -> int:
        if wanted is None or wanted == Where():
            return 0
        if wanted not in self.bits:
            if len(self.bits) == FILTERS_MAX:
                text = f"has over {FILTERS_MAX} different `where` and currencies; split the policy"
                raise PolicyError([Problem("policy", 1, f"policies[{self._place}]", text)])
            self.bits[wanted] = 1 << (FIRST_FILTER + len(self.bits))
        return self.bits[wanted]


def compile_book(book: PolicyBook) -> Compiled:
    """Turn policies into arrays.

    Raises:
        PolicyError: a policy has more different filters than there are bits.
    """
    rows: list[tuple[Any, ...]] = []
    currencies = conversion.known_currencies(book)
    weights: list[NDArray[np.float64]] = []
    windows: list[int] = []
    policies, plans = [], []
    for place, policy in enumerate(book.policies):
        bits, first_rule, first_window = _Bits(place), len(rows), len(windows)
        terms = [TERMS[rule.rate](rule) for rule in policy.rules]
        mine = sorted({rule.over for rule in policy.rules})
        columns, usuals = count(), count()
        for rule, term in zip(policy.rules, terms, strict=True):
            column = next(columns) if term.group else NONE
            usual = next(usuals) if rule.usual else NONE
            money = _money(policy.convert, term, currencies)
            weights.append(conversion.weights(policy.convert, currencies))
            places = {"window": mine.index(rule.over), "group": column, "usual": usual}
            rows.append(_row(rule, term, bits, places | money))
        windows += mine
        cohorts = any(term.reversed_late for term in terms)
        longest_us = policy.longest_window_s * MICRO
        spans = (first_rule, len(rows), len(terms), first_window, len(windows))
        policies.append((*spans, next(usuals), cohorts, longest_us))
        plans.append(_policy_plan(policy, bits, terms))
    of_policies, of_rules = np.array(policies, POLICY), np.array(rows, RULE)
    return Compiled(
        book,
        Plan(
            of_policies,
            of_rules,
            np.array(windows, np.int64) * MICRO,
            *_by_window(of_policies, of_rules, len(windows)),
            np.array(weights).reshape(len(rows), len(currencies)),
        ),
        tuple(plans),
        tuple(rule for policy in book.policies for rule in policy.rules),
        currencies,
    )


def _by_window(
    policies: NDArray[np.void], rules: NDArray[np.void], windows: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Plan.by_window and Plan.first_of, of so many windows."""
    window_of = rules["window"] + np.repeat(policies["first_window"], policies["rules"])
    by_window = np.argsort(window_of, kind="stable")
    first_of = np.searchsorted(window_of[by_window], np.arange(windows + 1))
    return by_window.astype(np.int32), first_of.astype(np.int32)


def _money(convert: Convert | None, terms: Terms, currencies: tuple[str, ...]) -> dict[str, Any]:
    """What an event weighs in a rule, and by what its sum is divided."""
    weight, to, unit = terms.weight, 0, float(MICRO)
    if convert is not None and terms.weight == VALUE and convert.takes(terms.currency):
        weight, to = CONVERTED, currencies.index(convert.to.upper())
        unit *= conversion.unit(convert)
    undivided = terms.weight == VALUE and terms.below is None
    return {"weight": weight, "to": to, "scale": unit if undivided else 1.0}


def _row(rule: Rule, terms: Terms, bits: _Bits, computed: dict[str, Any]) -> tuple[Any, ...]:
    where = bits.of(rule.where)
    needed = where | bits.of(terms.currency)
    row = {
        "where_mask": where,
        "divided": terms.below is not None,
        "reversed_late": terms.reversed_late,
        "strict": rule.above is not None,
        "over_us": rule.over * MICRO,
        "least": rule.min,
        "bound": rule.bound,
        "factor": rule.usual.factor if rule.usual else 0.0,
        "unknown": rule.unknown if rule.usual else 0.0,
        "by_evidence": rule.method == "evidence",
        **computed,
        **(proof_of(rule) if rule.method == "evidence" else NO_PROOF)._asdict(),
    }
    row["above_mask"], row["above_want"] = _mask(terms.above, needed)
    row["below_mask"], row["below_want"] = _mask(terms.below or terms.above, needed)
    return tuple(row[name] for name in RULE.names or ())


def _mask(term: Term, needed: int) -> tuple[int, int]:
    return term.has | term.lacks | needed, term.has | needed


def _policy_plan(policy: Policy, bits: _Bits, terms: list[Terms]) -> PolicyPlan:
    wheres = tuple((bit, key) for key, bit in bits.bits.items() if isinstance(key, Where))
    currencies = tuple(
        (bit, conversion.codes(policy.convert, key))
        for key, bit in bits.bits.items()
        if isinstance(key, str)
    )
    groups = tuple(term.group for term in terms if term.group)
    by_target = any(where.target for _, where in wheres)
    converted = frozenset[str]()
    if policy.convert is not None:
        converted = conversion.codes(policy.convert, policy.convert.to)
    return PolicyPlan(policy, wheres, currencies, groups, by_target, converted)
