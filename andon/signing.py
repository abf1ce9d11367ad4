"""Signatures of commands, approvals and orders to undo: Ed25519 (RFC 8032) over what they say.

Signed is the record's JSON without `signature` and without nulls, keys in order and no blanks
between, so that a reader of another version or in another language can make the same bytes. A
signature is `<key id>:<base64>`; a key id is the first 12 hex digits of the SHA-256 of the public
key. Needs `cryptography`: `pip install 'andon[signed]'`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

from andon.commands import Record
from andon.errors import SigningKeyError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

PREFIX = "ed25519:"
R = TypeVar("R", bound=Record)


class Signer:
    """Signs with one private key; `public` is the text that guards are given."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        raw = key.public_key().public_bytes_raw()
        self._key, self._id = key, _key_id(raw)
        self.public = PREFIX + base64.b64encode(raw).decode()

    @classmethod
    def read(cls, path: Path) -> Self:
        """The key of a PEM file, as `write_new_key` makes one.

        Raises:
            SigningKeyError: there is no such file, or no Ed25519 key in it.
        """
        ed25519, serialization = _cryptography()
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), None)
        except (OSError, ValueError, TypeError) as error:
            raise SigningKeyError(f"{path}: no private key can be read: {error}") from None
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise SigningKeyError(f"{path}: is no Ed25519 key; make one with `andon keys new`")
        return cls(key)

    def sign(self, record: R) -> R:
        """A record that has a `signature`, with it."""
        signature = base64.b64encode(self._key.sign(_signed_bytes(record.to_json()))).decode()
        return record.model_copy(update={"signature": f"{self._id}:{signature}"})


class Verifier:
    """Knows the public keys whose records are obeyed."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Each key is `ed25519:<base64>`. Raises SigningKeyError where one is none."""
        self._keys = dict(map(_public_key, keys))

    def problem(self, value: bytes) -> str | None:
        """What is wrong with a record's signature; None where it may be obeyed.

        `value` is the record as it was read; one that is no JSON object is left to its parser.
        """
        from cryptography.exceptions import InvalidSignature

        try:
            signature = json.loads(value).get("signature")
            signed = _signed_bytes(value)
        except (ValueError, AttributeError, RecursionError):
            return None
        if not isinstance(signature, str):
            return "it is not signed"
        key_id, _, text = signature.partition(":")
        if key_id not in self._keys:
            return f"it is signed with key {key_id[:12]!r}, which is not trusted here"
        try:
            self._keys[key_id].verify(base64.b64decode(text, validate=True), signed)
        except (InvalidSignature, binascii.Error):
            return "its signature is wrong"
        return None


class Keys(NamedTuple):
    """What a process signs with, and whom it trusts; without keys nothing is signed or refused."""

    signer: Signer | None = None
    verifier: Verifier | None = None

    @classmethod
    def of(cls, signing_key: Path | None, verify_keys: str) -> Self:
        """Who signs trusts itself, and the public keys given, several by commas.

        Raises:
            SigningKeyError: one of them cannot be used.
        """
        signer = Signer.read(signing_key) if signing_key else None
        trusted = [key.strip() for key in verify_keys.split(",") if key.strip()]
        trusted += [signer.public] if signer else []
        return cls(signer, Verifier(trusted) if trusted else None)

    def sign(self, record: R) -> R:
        """As `Signer.sign`; as it is, where there are no keys. Raises as `can_write` does."""
        self.can_write()
        return self.signer.sign(record) if self.signer else record

    def can_write(self) -> None:
        """Raises SigningKeyError where signatures are asked for and none can be made."""
        if self.verifier and not self.signer:
            raise SigningKeyError(
                "ANDON_SIGNING_KEY: is required where ANDON_VERIFY_KEYS is set: "
                "nobody would obey what is not signed"
            )


NO_KEYS = Keys()


def write_new_key(path: Path) -> Signer:
    """Make a private key and write it to a file that only its owner may read.

    Raises:
        SigningKeyError: the file is there already, or cannot be written.
    """
    ed25519, serialization = _cryptography()
    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "wb") as opened:
            opened.write(pem)
    except OSError as error:
        raise SigningKeyError(f"{path}: cannot be written: {error.strerror}") from None
    return Signer(key)


def _signed_bytes(value: bytes) -> bytes:
    record = json.loads(value)
    record.pop("signature", None)
    text = json.dumps(_without_nulls(record), sort_keys=True, separators=(",", ":"))
    return text.encode()


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def _public_key(text: str) -> tuple[str, Ed25519PublicKey]:
    ed25519, _ = _cryptography()
    try:
        if not text.startswith(PREFIX):
            raise ValueError
        raw = base64.b64decode(text.removeprefix(PREFIX), validate=True)
        return _key_id(raw), ed25519.Ed25519PublicKey.from_public_bytes(raw)
    except ValueError:
        raise SigningKeyError(
            f"{text!r} is no public key; write {PREFIX}<base64>, as `andon keys show` does"
        ) from None


def _key_id(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:12]


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ModuleNotFoundError:
        raise SigningKeyError("keys need `pip install 'andon[signed]'`") from None
    return ed25519, serialization
