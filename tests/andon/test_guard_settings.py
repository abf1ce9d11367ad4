"""What a guard may be told, and how it answers to what cannot be."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from andon import Guard, MemoryTransport, Mode
from andon.guard import settings
from tests.andon.guarding import bench


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"workflow": None}, "workflow: is required; pass it or set ANDON_WORKFLOW"),
        ({"automation": ""}, "automation: is required; pass it or set ANDON_AUTOMATION"),
        ({"workflow": "x" * 201}, "workflow: is 201 characters long, 200 is the most"),
        ({"fail": "shut"}, "fail: must be one of careful, open, closed, not 'shut'"),
        ({"when_full": "x"}, "when_full: must be one of drop_oldest, drop_newest, block, not 'x'"),
        ({"mode": "dry"}, "mode: must be one of live, shadow, sandbox, not 'dry'"),
        ({"queue_max": 0}, "queue_max: must be 1 or more, not 0"),
        ({"clock": datetime.now}, "clock: must tell times with an offset"),
    ],
)
def test_setting_that_cannot_be_is_named(given: dict[str, Any], message: str) -> None:
    whole = {"workflow": "refunds", "automation": "refund-bot"} | given
    with pytest.raises(ValueError, match=message):
        Guard(transport=MemoryTransport(), **whole)


def test_address_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match="bootstrap_servers: 'kafka:no' is no address"):
        Guard("refunds", "refund-bot", bootstrap_servers="kafka:no")


@pytest.mark.parametrize(
    ("given", "addresses"),
    [
        ("kafka", ["kafka:9092"]),
        ("a:1, b:2 ,", ["a:1", "b:2"]),
        (["a:1", "b"], ["a:1", "b:9092"]),
        ("[::1]:9093,[::1]", ["[::1]:9093", "[::1]:9092"]),
        (None, ["localhost:9092"]),
    ],
)
def test_addresses(
    monkeypatch: pytest.MonkeyPatch, given: str | list[str] | None, addresses: list[str]
) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    assert settings.servers(given) == addresses


def test_environment_stands_in_for_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"WORKFLOW": "refunds", "AUTOMATION": "env-bot", "MODE": "sandbox", "FAIL": "closed"}
    for name, value in told.items():
        monkeypatch.setenv(f"ANDON_{name}", value)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "a:1,b:2")
    assert settings.servers(None) == ["a:1", "b:2"]
    stream = MemoryTransport()
    with Guard(automation="refund-bot", transport=stream) as guard:
        assert guard.ready(5)
        with guard.attempt("send", "mail.send"):
            pass
        assert guard.flush(5)
    (event,) = stream.events
    assert (event.workflow, event.automation, event.mode) == ("refunds", "refund-bot", "sandbox")
    monkeypatch.setenv("ANDON_FAIL", "perhaps")
    with pytest.raises(
        ValueError, match="fail: must be one of careful, open, closed, not 'perhaps'"
    ):
        Guard(transport=stream)


def test_mode_is_in_every_event() -> None:
    with bench(mode=Mode.SHADOW) as desk:
        with desk.guard.attempt("send", "mail.send"):
            pass
        assert desk.event().mode is Mode.SHADOW
