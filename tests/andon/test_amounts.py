from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.amounts import MILLION, MOST, millionths, shown


@pytest.mark.parametrize(
    ("amount", "whole"),
    [
        (0, 0),
        (25, 25 * MILLION),
        (0.1, 100_000),
        (Decimal("19.99"), 19_990_000),
        ("2000.5", 2_000_500_000),
        (Decimal("0.0000001"), 1),  # rounded up: nothing passes below the grain
        (Fraction(1, 3), 333_334),
        (1e30, MOST),
        (Decimal("1e999999"), MOST),
    ],
)
def test_counts_whole_millionths(amount: Any, whole: int) -> None:
    assert millionths(amount) == whole


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (None, "not known before"),
        (-1710, "zero or more"),
        (float("nan"), "zero or more, and finite"),
        (Decimal("-Infinity"), "finite"),
        ("five", "'five' is no amount"),
        (True, "True is no amount"),
        (object(), "no amount"),
    ],
)
def test_says_why_it_is_no_amount(amount: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        millionths(amount)


@given(st.lists(st.decimals(0, 10**9, places=2), max_size=30))
def test_sums_are_exact(amounts: list[Decimal]) -> None:
    assert sum(map(millionths, amounts)) == sum(amounts) * MILLION


@given(st.decimals(0, 10**15, places=9))
def test_never_rounds_down(amount: Decimal) -> None:
    assert 0 <= millionths(amount) - amount * MILLION < 1


def test_is_shown_to_people() -> None:
    assert shown(millionths(2500.5), "USD") == "2,500.50 USD"
    assert shown(millionths(1000), "recipients") == "1,000 recipients"
    assert shown(millionths(1), "actions") == "1 action"
    assert shown(millionths("0.000001"), None) == "0.000001"
