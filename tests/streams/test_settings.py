from __future__ import annotations

import pytest

from streams.settings import Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "ANDON_BOOTSTRAP_SERVERS", "ANDON_PARTITIONS"):
        monkeypatch.delenv(name, raising=False)


def test_kafkas_own_variable_comes_before_ours_and_an_argument_before_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Settings().bootstrap_servers == "localhost:9092"
    monkeypatch.setenv("ANDON_BOOTSTRAP_SERVERS", "ours:1")
    assert Settings().bootstrap_servers == "ours:1"
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka:1")
    assert Settings().bootstrap_servers == "kafka:1"
    assert Settings(bootstrap_servers="given:1").bootstrap_servers == "given:1"


def test_every_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDON_PARTITIONS", "0")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "")
    with pytest.raises(SettingsError) as error:
        load_settings()
    partitions = "ANDON_PARTITIONS: Input should be greater than or equal to 1, found '0'"
    assert partitions in str(error.value)
    assert "KAFKA_BOOTSTRAP_SERVERS: " in str(error.value)
