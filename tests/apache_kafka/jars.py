"""Apache Kafka's jars as jars.sha256 pins them, fetched from Maven Central once.

jars.sha256 is what `sha256sum` prints in a folder laid out as a Maven repository, so that a line
is a hash and an address; `make lock-kafka` writes it anew from pom.xml.
"""

from __future__ import annotations

import functools
import hashlib
import os
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from xml.etree import ElementTree

CENTRAL = "https://repo.maven.apache.org/maven2"
PINS = Path(__file__).with_name("jars.sha256")
FOLDER = Path(__file__).parents[2] / "build" / "apache-kafka"
SETTINGS = Path.home() / ".m2" / "settings.xml"
TIMEOUT_S = 20.0


class UnavailableError(Exception):
    """Apache Kafka cannot be run here; says why in one line."""


@functools.cache
def jars() -> list[Path]:
    """The jars, in `build/apache-kafka`; those that are missing there are fetched.

    Raises UnavailableError where Maven Central does not give them.
    """
    lines = PINS.read_text().splitlines()
    source = repository()
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda line: _jar(source, *line.split()), lines))


def repository() -> str:
    """ANDON_MAVEN_URL, else the mirror in Maven's own settings, else Maven Central."""
    return os.environ.get("ANDON_MAVEN_URL") or next(_mirrors(), CENTRAL)


def _mirrors() -> Iterator[str]:
    if SETTINGS.is_file():
        for mirror in ElementTree.parse(SETTINGS).iterfind(".//{*}mirror"):
            of = set(mirror.findtext("{*}mirrorOf", "").replace(" ", "").split(","))
            if of & {"*", "external:*", "central"} and "!central" not in of:
                yield mirror.findtext("{*}url", "").strip()


def _jar(source: str, sha256: str, path: str) -> Path:
    jar = FOLDER / path
    if not (jar.is_file() and _sha256(jar.read_bytes()) == sha256):
        url = f"{source.rstrip('/')}/{path}"
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
                content = answer.read()
        except (OSError, HTTPException) as error:
            raise UnavailableError(f"Maven Central does not give {jar.name}: {error}") from None
        if _sha256(content) != sha256:
            raise UnavailableError(f"{jar.name} from Maven Central is not the one that is pinned")
        jar.parent.mkdir(parents=True, exist_ok=True)
        part = jar.with_suffix(f".{os.getpid()}")
        part.write_bytes(content)
        part.rename(jar)
    return jar


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
