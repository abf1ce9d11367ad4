"""OpenID Connect: access tokens (JWT) of an issuer whose keys its discovery document names."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt

from andon.errors import AndonError
from api.scopes import Caller

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
KEYS_GOOD_FOR_S = 600.0
ASK_AGAIN_S = 10.0
TIMEOUT_S = 5.0
LEEWAY_S = 30
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class IssuerError(AndonError):
    """The issuer's keys cannot be had; nobody can be told apart."""


class Oidc:
    """Reads tokens. Keys are fetched when needed, and again for one that is not known."""

    def __init__(self, issuer: str, audience: str, user_claim: str) -> None:
        self._issuer = issuer
        self._audience = audience
        self._user_claim = user_claim
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._asked_at = -KEYS_GOOD_FOR_S
        self._asking = asyncio.Lock()

    async def caller(self, token: str) -> Caller:
        """Whose token it is.

        Raises:
            ValueError: it is no valid token of this issuer for us; says why.
            IssuerError: the issuer does not answer as it should.
        """
        try:
            header = jwt.get_unverified_header(token)
            key = await self._key(header.get("kid"))
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name] if key.algorithm_name in ALGORITHMS else [],
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud", self._user_claim]},
            )
        except jwt.PyJWTError as error:
            raise ValueError(str(error)) from None
        name = claims[self._user_claim]
        if not isinstance(name, str) or not name.strip() or len(name) > 200:
            raise ValueError(f"claim {self._user_claim}: must be a name of 1 to 200 characters")
        return Caller(name, _scopes(claims))

    async def _key(self, kid: str | None) -> jwt.PyJWK:
        age_s = time.monotonic() - self._asked_at
        if age_s > KEYS_GOOD_FOR_S or (kid not in self._keys and age_s > ASK_AGAIN_S):
            async with self._asking:
                if time.monotonic() - self._asked_at > min(age_s, ASK_AGAIN_S):
                    await self._fetch()
        if kid not in self._keys:
            raise ValueError(f"key {kid!r} is none of the issuer's")
        return self._keys[kid]

    async def _fetch(self) -> None:
        discovery = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
                about = await _json(client, discovery)
                if about.get("issuer") != self._issuer:
                    raise IssuerError(f"{discovery} is of issuer {about.get('issuer')!r}")
                found = await _json(client, _safe(about.get("jwks_uri")))
            keys = [key for key in found.get("keys", []) if key.get("use", "sig") == "sig"]
            self._keys = {key.get("kid"): jwt.PyJWK(key) for key in keys}
        except (httpx.HTTPError, jwt.PyJWTError, ValueError, TypeError, AttributeError) as error:
            raise IssuerError(f"the keys of {self._issuer} cannot be had: {error!r}") from None
        self._asked_at = time.monotonic()


async def _json(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    answer = await client.get(_safe(url))
    content: dict[str, Any] = answer.raise_for_status().json()
    return content


def _safe(url: object) -> str:
    """Keys that anybody on the way could have changed prove nothing."""
    parts = urlsplit(str(url))
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError(f"{url} must be https")
    return str(url)


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    """`scope` is a text with blanks (RFC 8693); some issuers say `scp`, as text or list."""
    given = claims.get("scope", claims.get("scp", ""))
    return frozenset(given.split() if isinstance(given, str) else map(str, given))
