from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apache_kafka import jars as module
from tests.apache_kafka.jars import CENTRAL, UnavailableError, jars, repository

JAR = "org/example/thing/1.0/thing-1.0.jar"
MIRROR = """
<settings xmlns="http://maven.apache.org/SETTINGS/1.2.0"><mirrors>
  <mirror><id>other</id><mirrorOf>snapshots</mirrorOf><url>http://one.example</url></mirror>
  <mirror><id>all</id><mirrorOf>{}</mirrorOf><url> http://two.example/maven </url></mirror>
</mirrors></settings>
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The one jar in a repository of our own, pinned, to be fetched into an empty folder."""
    jar = tmp_path / "source" / JAR
    jar.parent.mkdir(parents=True)
    jar.write_bytes(b"classes")
    pins = tmp_path / "jars.sha256"
    pins.write_text(f"{hashlib.sha256(b'classes').hexdigest()}  {JAR}\n")
    monkeypatch.setenv("ANDON_MAVEN_URL", (tmp_path / "source").as_uri())
    monkeypatch.setattr(module, "PINS", pins)
    monkeypatch.setattr(module, "FOLDER", tmp_path / "kept")
    jars.cache_clear()
    yield jar
    jars.cache_clear()


def test_a_jar_is_fetched_once(source: Path, tmp_path: Path) -> None:
    assert jars() == [tmp_path / "kept" / JAR]
    source.unlink()
    jars.cache_clear()
    (kept,) = jars()
    assert kept.read_bytes() == b"classes"


def test_a_jar_that_was_damaged_is_fetched_again(source: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept" / JAR
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"clas")
    jars()
    assert kept.read_bytes() == b"classes"


def test_another_jar_than_the_pinned_one_is_refused(source: Path, tmp_path: Path) -> None:
    source.write_bytes(b"other classes")
    with pytest.raises(UnavailableError, match=r"thing-1\.0\.jar .* not the one that is pinned"):
        jars()
    assert not (tmp_path / "kept").exists()


def test_what_cannot_be_had_is_told_in_one_line(source: Path) -> None:
    source.unlink()
    with pytest.raises(UnavailableError, match=r"does not give thing-1\.0\.jar: ") as told:
        jars()
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("of", "url"),
    [
        ("*", "http://two.example/maven"),
        ("apache, central", "http://two.example/maven"),
        ("*,!central", CENTRAL),
        ("snapshots", CENTRAL),
    ],
)
def test_a_mirror_of_mavens_settings_is_used(
    of: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "settings.xml"
    monkeypatch.delenv("ANDON_MAVEN_URL", raising=False)
    monkeypatch.setattr(module, "SETTINGS", settings)
    assert repository() == CENTRAL
    settings.write_text(MIRROR.format(of))
    assert repository() == url


def test_every_jar_is_pinned_to_a_release() -> None:
    lines = module.PINS.read_text().splitlines()
    assert all(re.fullmatch(r"[0-9a-f]{64}  [\w./-]+\.jar", line) for line in lines)
    assert any("/kafka_2.13/" in line for line in lines)
    assert not [line for line in lines if "SNAPSHOT" in line]
