"""A policy book as arrays: what the windows need to know of every rule, and nothing else."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from andon.errors import PolicyError, Problem
from andon.policy import Policy, PolicyBook, Rule, Where
from detectors.flags import FILTERS_MAX, FIRST_FILTER
from detectors.rates import TERMS
from detectors.rates.terms import VALUE, Term, Terms

MICRO = 1_000_000


class Plan(NamedTuple):
    """Arrays over rules, policy after policy; `rules[p]:rules[p + 1]` are those of policy p."""

    rules: NDArray[np.int32]
    above_mask: NDArray[np.uint32]
    above_want: NDArray[np.uint32]
    below_mask: NDArray[np.uint32]
    below_want: NDArray[np.uint32]
    where_mask: NDArray[np.uint32]
    divided: NDArray[np.bool_]
    reversed_late: NDArray[np.bool_]
    weight: NDArray[np.int8]
    scale: NDArray[np.float64]  # what a sum is divided by, to be told in the rule's unit
    over_us: NDArray[np.int64]
    window: NDArray[np.int32]  # the place of `over` among the policy's distinct windows
    group: NDArray[np.int32]  # the rule's column of group hashes, or -1
    bound: NDArray[np.float64]
    strict: NDArray[np.bool_]
    least: NDArray[np.int64]
    windows: NDArray[np.int32]  # `windows[p]:windows[p + 1]` are those of policy p
    window_us: NDArray[np.int64]
    longest_us: NDArray[np.int64]
    cohorts: NDArray[np.bool_]  # by policy: does any rule wait for reversals?


class PolicyPlan(NamedTuple):
    """What the decoder needs of one policy: its filter bits and its groups' fields."""

    policy: Policy
    wheres: tuple[tuple[int, Where], ...]
    currencies: tuple[tuple[int, str], ...]
    groups: tuple[tuple[str, ...], ...]
    by_target: bool  # does a `where` look at the target, which is no part of a profile?


class Compiled(NamedTuple):
    """A book, ready to run."""

    book: PolicyBook
    plan: Plan
    policies: tuple[PolicyPlan, ...]
    rules: tuple[Rule, ...]


class _Bits:
    """Hands out one filter bit for each distinct `where` and currency of a policy."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.bits: dict[Where | str, int] = {}

    def of(self, wanted: Where | str | None) -> int:
        if wanted is None or wanted == Where():
            return 0
        if wanted not in self.bits:
            if len(self.bits) == FILTERS_MAX:
                text = f"has over {FILTERS_MAX} different `where` and currencies; split the policy"
                raise PolicyError([Problem("policy", 1, self.policy.name, text)])
            self.bits[wanted] = 1 << (FIRST_FILTER + len(self.bits))
        return self.bits[wanted]


def compile_book(book: PolicyBook) -> Compiled:
    """Turn policies into arrays.

    Raises:
        PolicyError: a policy has more different filters than there are bits.
    """
    rows: list[dict[str, object]] = []
    plans = []
    rules_at, windows_at, window_s = [0], [0], []
    for policy in book.policies:
        bits = _Bits(policy)
        windows = sorted({rule.over for rule in policy.rules})
        terms = [TERMS[rule.rate](rule) for rule in policy.rules]
        groups = tuple(term.group for term in terms if term.group)
        columns = iter(range(len(groups)))
        for rule, term in zip(policy.rules, terms, strict=True):
            column = next(columns) if term.group else -1
            rows.append(_row(rule, term, bits, windows.index(rule.over), column))
        rules_at.append(len(rows))
        window_s += windows
        windows_at.append(len(window_s))
        plans.append(_policy_plan(policy, bits, groups))
    return Compiled(
        book,
        _plan(rows, rules_at, windows_at, window_s, book),
        tuple(plans),
        tuple(rule for policy in book.policies for rule in policy.rules),
    )


def _row(rule: Rule, terms: Terms, bits: _Bits, window: int, column: int) -> dict[str, object]:
    where = bits.of(rule.where)
    needed = where | bits.of(terms.currency)
    below = terms.below or terms.above
    above_mask, above_want = _mask(terms.above, needed)
    below_mask, below_want = _mask(below, needed)
    return {
        "above_mask": above_mask,
        "above_want": above_want,
        "below_mask": below_mask,
        "below_want": below_want,
        "where_mask": where,
        "divided": terms.below is not None,
        "reversed_late": terms.reversed_late,
        "weight": terms.weight,
        "scale": MICRO if terms.weight == VALUE and terms.below is None else 1,
        "over_us": rule.over * MICRO,
        "window": window,
        "group": column,
        "bound": rule.bound,
        "strict": rule.above is not None,
        "least": rule.min,
    }


def _mask(term: Term, needed: int) -> tuple[int, int]:
    return term.has | term.lacks | needed, term.has | needed


def _policy_plan(policy: Policy, bits: _Bits, groups: tuple[tuple[str, ...], ...]) -> PolicyPlan:
    wheres = tuple((bit, key) for key, bit in bits.bits.items() if isinstance(key, Where))
    currencies = tuple((bit, key) for key, bit in bits.bits.items() if isinstance(key, str))
    by_target = any(where.target for _, where in wheres)
    return PolicyPlan(policy, wheres, currencies, groups, by_target)


def _plan(
    rows: list[dict[str, object]],
    rules_at: list[int],
    windows_at: list[int],
    window_s: list[int],
    book: PolicyBook,
) -> Plan:
    by_rule: dict[str, NDArray[Any]] = {
        name: np.array([row[name] for row in rows], dtype) for name, dtype in _BY_RULE.items()
    }
    late = by_rule["reversed_late"]
    return Plan(
        rules=np.array(rules_at, np.int32),
        windows=np.array(windows_at, np.int32),
        window_us=np.array(window_s, np.int64) * MICRO,
        longest_us=np.array([p.longest_window_s for p in book.policies], np.int64) * MICRO,
        cohorts=np.array([late[a:b].any() for a, b in pairwise(rules_at)], np.bool_),
        **by_rule,
    )


_BY_RULE = {
    "above_mask": np.uint32,
    "above_want": np.uint32,
    "below_mask": np.uint32,
    "below_want": np.uint32,
    "where_mask": np.uint32,
    "divided": np.bool_,
    "reversed_late": np.bool_,
    "weight": np.int8,
    "scale": np.float64,
    "over_us": np.int64,
    "window": np.int32,
    "group": np.int32,
    "bound": np.float64,
    "strict": np.bool_,
    "least": np.int64,
}
