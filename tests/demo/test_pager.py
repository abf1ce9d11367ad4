"""The demo's pager takes what the real webhook receiver sends, and nothing that is not signed."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request

import pytest

from demo.pager import Pager
from streams.receivers import Delivered, Delivery
from streams.receivers.webhook import WebhookSettings
from tests.streams.receiving import an_alert


async def deliver(url: str, alert_id: str) -> Delivery:
    receiver = WebhookSettings(url=url, secret_env="PAGER_SECRET").make("pager")
    try:
        return await receiver.deliver(an_alert(alert_id=alert_id))
    finally:
        await receiver.close()


def test_takes_signed_alerts_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with Pager() as pager:
        monkeypatch.setenv("PAGER_SECRET", pager.secret)
        for alert_id in ("one", "two", "one"):
            assert isinstance(asyncio.run(deliver(pager.url, alert_id)), Delivered)
        assert list(pager.alerts) == ["one", "two"]
        assert pager.alerts["one"].kind == "paused"


def test_refuses_another_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    with Pager() as pager, Pager() as other:
        monkeypatch.setenv("PAGER_SECRET", other.secret)
        assert not isinstance(asyncio.run(deliver(pager.url, "one")), Delivered)
        assert pager.alerts == {}


def test_refuses_what_is_not_signed() -> None:
    with Pager() as pager:
        request = urllib.request.Request(pager.url, data=b"{}", method="POST")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(request, timeout=5)
        assert pager.alerts == {}
