from __future__ import annotations

from datetime import timedelta
from typing import Any

from andon.commands import Alert
from streams.inhibition import Inhibitions
from tests.andon.guarding import NOON
from tests.streams.receiving import an_alert

STRIPE = "andon:target:stripe"


def page(minute: float, **changes: Any) -> Alert:
    alert = an_alert()
    fields = {"kind": "paused", "since": NOON + timedelta(minutes=minute), "target": STRIPE}
    return alert.model_copy(update=fields | changes)


def down(minute: float) -> Alert:
    alert = page(minute, kind="target_down", workflow=STRIPE, target=None, alert_id="down")
    return alert.model_copy(update={"reason": alert.reason.model_copy(update={"window_s": 600.0})})


def test_pages_for_a_target_that_is_down_are_held_back() -> None:
    held = Inhibitions()
    assert held.by(page(0)) is None
    assert held.by(down(1)) is None
    assert held.by(page(2)) == "down"
    assert held.by(page(11)) == "down"  # as long as further ones come
    assert held.by(page(20)) == "down"
    assert held.by(page(31)) is None


def test_nothing_else_is() -> None:
    held = Inhibitions()
    held.by(down(1))
    assert held.by(page(2, target="andon:target:paypal")) is None
    assert held.by(page(2, target=None)) is None
    assert held.by(page(2, kind="resumed")) is None
    assert held.by(page(0)) is None  # it was before
