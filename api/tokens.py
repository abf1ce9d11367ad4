"""Tokens: made once, kept as hashes.

A token is 256 random bits, so one round of SHA-256 keeps it as safe as a slow hash would: there
is nothing to guess. Slow hashes are for passwords that people choose.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from andon.errors import AndonError
from api.scopes import Caller, Scope

PREFIX = "andon_"


class TokensError(AndonError):
    """A file of tokens that cannot be used; says what to do."""


class Entry(BaseModel):
    """One token, without the token."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=200, pattern=r"\S")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    scopes: list[Scope] = Field(min_length=1)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tokens: list[Entry] = []


class Tokens:
    """The tokens of a file, which is read again when it changes: a token taken out is void."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._entries: list[Entry] = []
        self.entries()

    def entries(self) -> list[Entry]:
        """All of them. Raises TokensError."""
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if stamp != self._stamp:
                self._entries = _read(self._path)
                self._stamp = stamp
        except OSError as error:
            raise TokensError(
                f"{self._path}: {error.strerror}: make tokens with `andon api token`"
            ) from None
        return self._entries

    def caller(self, token: str) -> Caller | None:
        """Whose token it is, or None. Compares in a time that tells nothing. Raises TokensError."""
        digest = _digest(token)
        found = None
        for entry in self.entries():
            if hmac.compare_digest(entry.sha256, digest):
                found = Caller(entry.name, frozenset(entry.scopes))
        return found


def add_token(path: Path, name: str, scopes: list[Scope]) -> str:
    """Make a token and keep its hash in the file, which is made where it is missing.

    Raises:
        TokensError: the name is taken or empty, or the file cannot be read or written.
    """
    try:
        entries = _read(path) if path.exists() else []
        if any(entry.name == name for entry in entries):
            raise TokensError(f"{name}: is in {path} already; take it out there, or name another")
        token = PREFIX + secrets.token_urlsafe(32)
        entry = Entry(name=name, sha256=_digest(token), scopes=scopes)
        _write(path, _File(tokens=[*entries, entry]))
    except ValidationError as error:
        first = error.errors()[0]
        raise TokensError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except OSError as error:
        raise TokensError(f"{path}: {error.strerror}") from None
    return token


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()


def _read(path: Path) -> list[Entry]:
    try:
        return _File.model_validate_json(path.read_bytes()).tokens
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "file"
        raise TokensError(f"{path}: {field}: {first['msg']}") from None


def _write(path: Path, content: _File) -> None:
    """Whole or not at all, for its owner alone."""
    draft = path.with_name(path.name + ".draft")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(content.model_dump_json(indent=2) + "\n")
    draft.replace(path)
