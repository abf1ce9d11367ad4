"""What the API can be told from outside: environment variables with the prefix ANDON_API_."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from andon.guard.gate import Fail
from streams.settings import SettingsError, complaint

BODY_MAX_BYTES = 1_000_000
"""A record of Kafka's default size must hold an event and what is written around it."""


class ApiSettings(BaseSettings):
    """Read from the environment when made; keyword arguments win."""

    model_config = SettingsConfigDict(env_prefix="ANDON_API_")

    host: str = "127.0.0.1"
    port: int = Field(default=8470, ge=0, le=65535)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    insecure_http: bool = False

    tokens: Path | None = None
    oidc_issuer: str | None = None
    oidc_audience: str | None = None
    oidc_user_claim: str = "sub"

    policy: Path | None = None
    fail: Fail = "careful"
    stale_after_s: float = Field(default=10.0, ge=0)
    body_max_bytes: int = Field(default=BODY_MAX_BYTES, ge=1, le=BODY_MAX_BYTES)
    guards_max: int = Field(default=1_000, ge=1)
    permit_ttl_s: float = Field(default=600.0, gt=0)

    @property
    def authenticated(self) -> bool:
        """Whether callers have to say who they are."""
        return self.tokens is not None or self.oidc_issuer is not None

    @property
    def loopback(self) -> bool:
        """Whether only this machine can call."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def load_api_settings(**overrides: Any) -> ApiSettings:
    """The settings, `overrides` before the environment.

    Raises:
        SettingsError: one cannot be used, or together they would leave the API open.
    """
    try:
        settings = ApiSettings(**overrides)
    except ValidationError as error:
        told = [complaint(entry, "ANDON_API_") for entry in error.errors()]
        raise SettingsError("\n".join(told)) from error
    if problem := _unsafe(settings):
        raise SettingsError(problem)
    return settings


def _unsafe(settings: ApiSettings) -> str | None:
    """Why the API must not start so, or None."""
    if (settings.tls_cert is None) != (settings.tls_key is None):
        return "ANDON_API_TLS_CERT, ANDON_API_TLS_KEY: set both (--tls-cert, --tls-key), or neither"
    if settings.oidc_issuer and not settings.oidc_audience:
        return "ANDON_API_OIDC_AUDIENCE: is required with an issuer: tokens for others would pass"
    if settings.loopback:
        return None
    if not settings.authenticated:
        return (
            f"ANDON_API_HOST: {settings.host} can be reached from the network, and nobody has to "
            "say who they are: make tokens with `andon api token` and name their file in "
            "ANDON_API_TOKENS (--tokens), or set ANDON_API_OIDC_ISSUER, or listen on 127.0.0.1"
        )
    if settings.tls_cert is None and not settings.insecure_http:
        return (
            f"ANDON_API_HOST: {settings.host} can be reached from the network, and tokens would "
            "cross it in plain text: set ANDON_API_TLS_CERT and ANDON_API_TLS_KEY (--tls-cert, "
            "--tls-key), or say --insecure-http where a proxy in front does TLS"
        )
    return None
