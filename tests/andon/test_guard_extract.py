"""The one rule by which event fields are found in a call."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon import Call
from andon.guard.extract import NoResult, extractors


def plain(charge: str, amount: float = 5.0) -> None: ...
def keyword_only(charge: str, *, amount: float = 5.0) -> None: ...
def loose(charge: str, /, *amounts: float, **more: Any) -> None: ...
def named_result(result: str) -> None: ...


def found(
    function: Callable[..., Any], source: object, *args: Any, field: str = "target", **kwargs: Any
) -> object:
    signature = inspect.signature(function)
    (extractor,) = extractors(signature, {field: source})
    call = Call(signature, args, kwargs)
    call.result = {"id": "re_1", "order": SimpleNamespace(total=12)}
    return extractor.get(call)


@pytest.mark.parametrize(
    ("function", "source", "args", "kwargs", "value"),
    [
        (plain, "charge", ("ch_1",), {}, "ch_1"),
        (plain, "charge", (), {"charge": "ch_1"}, "ch_1"),
        (plain, "amount", ("ch_1",), {}, 5.0),
        (plain, "amount", ("ch_1", 7), {}, 7),
        (keyword_only, "amount", ("ch_1",), {"amount": 7}, 7),
        (keyword_only, "amount", ("ch_1",), {}, 5.0),
        (loose, "charge", ("ch_1", 1, 2), {}, "ch_1"),
        (loose, "amounts", ("ch_1", 1, 2), {}, (1, 2)),
        (loose, "more", ("ch_1",), {"a": 1}, {"a": 1}),
        (loose, "more.a", ("ch_1",), {"a": 1}, 1),
        (loose, "unlisted", ("ch_1",), {"unlisted": 1}, 1),
        (plain, "charge.order.id", ({"order": SimpleNamespace(id=3)},), {}, 3),
        (plain, "result.id", ("ch_1",), {}, "re_1"),
        (plain, "result.order.total", ("ch_1",), {}, 12),
        (named_result, "result", ("mine",), {}, "mine"),
        (plain, 3, ("ch_1",), {}, 3),
        (plain, Decimal("2.5"), ("ch_1",), {}, Decimal("2.5")),
        (plain, lambda call: call.arguments["amount"] * 2, ("ch_1",), {}, 10.0),
    ],
)
def test_source_finds_its_value(
    function: Callable[..., Any], source: object, args: tuple[Any, ...], kwargs: Any, value: object
) -> None:
    assert found(function, source, *args, **kwargs) == value


def test_three_capitals_are_a_currency_and_other_text_is_a_place() -> None:
    def pay(amount: float, currency: str = "EUR") -> None: ...

    assert found(pay, "USD", 1, field="currency") == "USD"
    assert found(pay, "currency", 1, field="currency") == "EUR"
    with pytest.raises(ValueError, match="currency: 'usd' starts with no parameter"):
        extractors(inspect.signature(pay), {"currency": "usd"})


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ({"target": "chrage"}, r"target: 'chrage'.*\(it has charge, amount, result\).*lambda"),
        ({"target": "charge."}, "target"),
        ({"target": "charge id"}, "target"),
        ({"target": "charge.0"}, "target"),
        ({"target": ""}, "target"),
        ({"target": ["charge"]}, r"target: must be a name, a number or a callable, not \['charge'"),
        ({"amount": "amount"}, "amount: is no field of an event; use of target, value"),
        ({"value": "amount"}, 'currency: is required with value, as in currency="USD"'),
    ],
)
def test_mistakes_are_told_with_field_and_fix(sources: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        extractors(inspect.signature(plain), sources)


def test_none_leaves_a_field_out() -> None:
    assert extractors(inspect.signature(plain), {"target": None, "run": None}) == []


def test_result_is_missing_until_it_is_there() -> None:
    call = Call(inspect.signature(plain), ("ch_1",), {})
    with pytest.raises(NoResult):
        _ = call.result
    call.result = None
    assert call.result is None


KINDS = st.sampled_from([plain, keyword_only, loose])


@given(
    KINDS,
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.sampled_from(["charge", "amount", "other"]), st.integers(), max_size=3),
)
def test_reads_every_call_as_python_binds_it(
    function: Callable[..., Any], args: list[int], kwargs: dict[str, int]
) -> None:
    signature = inspect.signature(function)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError:
        return  # the call itself fails; there is no action
    bound.apply_defaults()
    call = Call(signature, tuple(args), kwargs)
    for name, value in bound.arguments.items():
        (extractor,) = extractors(signature, {"target": name})
        assert extractor.get(call) == value
