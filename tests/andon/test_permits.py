"""How the permits of a trial are shared out."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from andon.breaker import State
from andon.permits import deal, period_of
from tests.andon.guarding import NOON, command

WANTS = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(0, 5), max_size=8)


@given(st.integers(0, 100), WANTS)
def test_shares_add_up_to_what_there_is_to_share(permits: int, wants: dict[str, int]) -> None:
    grants = deal(permits, wants)
    assert sum(grants.values()) == (permits if wants else 0)
    assert grants.keys() <= wants.keys()
    assert all(grant > 0 for grant in grants.values())


@given(st.integers(0, 100), WANTS)
def test_nobody_goes_without_while_another_has_two(permits: int, wants: dict[str, int]) -> None:
    grants = deal(permits, wants)
    if len(grants) < len(wants):
        assert set(grants.values()) <= {1}
        left_out = [wants[guard] for guard in wants if guard not in grants]
        assert all(wants[guard] >= max(left_out) for guard in grants)


@given(st.integers(0, 100), WANTS)
def test_those_who_want_as_much_get_as_much(permits: int, wants: dict[str, int]) -> None:
    grants = deal(permits, wants)
    for wanted in (True, False):
        shares = [grants.get(guard, 0) for guard, want in wants.items() if bool(want) is wanted]
        assert max(shares, default=0) - min(shares, default=0) <= 1


def test_what_is_left_after_one_each_goes_to_those_that_were_turned_away() -> None:
    assert deal(10, {"a": 0, "b": 0, "c": 0}) == {"a": 4, "b": 3, "c": 3}
    assert deal(10, {"a": 0, "b": 7, "c": 2}) == {"b": 5, "c": 4, "a": 1}
    assert deal(2, {"a": 0, "b": 1, "c": 9}) == {"c": 1, "b": 1}
    assert deal(5, {}) == {}


def test_periods_are_counted_from_the_command() -> None:
    trial = command("refunds", 2, State.HALF_OPEN, permits=1, permits_every_s=10)
    seconds = (-3, 0, 9.999, 10, 35)
    periods = [period_of(trial, NOON, NOON + timedelta(seconds=second)) for second in seconds]
    assert periods == [0, 0, 0, 1, 3]
    minute = command("refunds", 2, State.HALF_OPEN, permits=1)
    assert period_of(minute, NOON, NOON + timedelta(seconds=119)) == 1
