"""How long consumers rest."""

from __future__ import annotations

import math

import pytest

from andon.rest import REST_S, rest_s


def test_who_has_just_heard_something_listens_closely() -> None:
    assert rest_s(0.0) == 0.0
    assert rest_s(0.1) == pytest.approx(0.0003)


def test_who_has_heard_nothing_for_seconds_rests_longest() -> None:
    assert rest_s(4.0) == rest_s(3600.0) == rest_s(math.inf) == REST_S
