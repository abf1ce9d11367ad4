"""An approval is bound to exactly the arguments that people have seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from andon.guard.patterns.canonical import canonical, digest_of, readable


@dataclass
class Order:
    number: int
    total: Decimal


class Customer(BaseModel):
    name: str


class Colour(StrEnum):
    RED = "red"


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_order_does_not_matter(arguments: dict[str, Any]) -> None:
    backwards = dict(reversed(arguments.items()))
    assert canonical(arguments) == canonical(backwards)
    assert len(digest_of(canonical(arguments))) == 64


@given(VALUES, VALUES)
def test_what_differs_differs(one: Any, other: Any) -> None:
    same = repr(one) == repr(other) or (one == other and isinstance(one, dict))
    if not same and one != other:
        assert canonical({"a": one}) != canonical({"a": other})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, "1"),
        (1, Decimal(1)),
        (Decimal("1.0"), Decimal("1.00")),
        ("2026-01-01", date(2026, 1, 1)),
        (b"ab", "6162"),
        ([1, 2], {1, 2}),
        (Order(1, Decimal(5)), {"number": 1, "total": Decimal(5)}),
        (Order(1, Decimal(5)), Order(1, Decimal(6))),
        (Customer(name="a"), Customer(name="b")),
        (Colour.RED, "red"),
        ({"a": {"b": 1}}, {"a": {"b": 2}}),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)),
    ],
)
def test_kinds_are_told_apart(one: object, other: object) -> None:
    assert canonical({"a": one}) != canonical({"a": other})
    assert canonical({"a": one}) == canonical({"a": one})


def test_sets_have_no_order() -> None:
    assert canonical({"a": {"x", "y", "z"}}) == canonical({"a": {"z", "x", "y"}})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"client": object()}, "client: a object cannot be bound to an approval; pass plain"),
        ({"order": {"lines": [1, object()]}}, r"order.lines\[1\]: a object cannot"),
        ({"order": Order(1, float("nan"))}, "order.total: nan cannot be bound"),  # type: ignore[arg-type]
        ({"a": {1: 2}}, "a: the key 1 is no text"),
        ({"act": lambda: None}, "act: a function cannot"),
        ({"kind": Order}, "kind: a type cannot"),
    ],
)
def test_what_cannot_be_bound_is_named(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        canonical(arguments)


def test_people_read_anything_but_what_is_hidden() -> None:
    shown = readable(
        {
            "card": "4111",
            "order": Order(1, Decimal(5)),
            "who": Customer(name="a"),
            "id": UUID(int=1),
        },
        {"card"},
    )
    assert shown == {
        "card": "(hidden)",
        "order": "Order(number=1, total=Decimal('5'))",
        "who": {"name": "a"},
        "id": str(UUID(int=1)),
    }
