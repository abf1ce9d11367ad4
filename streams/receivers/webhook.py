"""Alerts as signed HTTP requests, after the Standard Webhooks specification 1.0.

`webhook-id` is the alert's id, the same at every attempt, so the other side can drop what it has.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import json
import os
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated, Any

import httpx
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from standardwebhooks import Webhook as Signer

from andon.commands import Alert
from andon.events import format_ts
from streams.receivers import Delivered, Delivery, Failed, Retry

TIMEOUT_S = 15.0
BODY_MAX = 20_000
_CLIPS = (1_000, 200, 50)
_ENTRIES_MAX = 30
_LATER = frozenset({408, 425, 429})


class WebhookSettings(BaseModel):
    """Where the alerts go and which secret signs them; the secret itself is never in the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    secret_env: str | None = None
    secret_file: str | None = None
    allow_http: bool = False
    timeout_s: Annotated[float, Field(gt=0, le=30)] = TIMEOUT_S

    @field_validator("url")
    @classmethod
    def _is_a_web_address(cls, url: str) -> str:
        try:
            parts = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ValueError(f"is no web address: {error}") from None
        if parts.scheme not in ("https", "http") or not parts.host:
            raise ValueError("must be an address such as https://example.com/hooks/andon")
        if (address := _address(parts.host)) and address.is_link_local:
            raise ValueError("must not point at a link-local address, where clouds keep secrets")
        return url

    @model_validator(mode="after")
    def _is_safe(self) -> WebhookSettings:
        if (self.secret_env is None) == (self.secret_file is None):
            raise ValueError("secret_env: exactly one of `secret_env` and `secret_file` is needed")
        url = httpx.URL(self.url)
        if url.userinfo:
            raise ValueError("url: must hold no password; the signature proves who sent it")
        if url.scheme == "http" and not (self.allow_http or _is_loopback(url.host)):
            raise ValueError(
                "url: plain http lets others read and change alerts; use https, "
                "or set `allow_http: true` inside a network that you trust"
            )
        return self

    @model_validator(mode="after")
    def _has_secrets(self) -> WebhookSettings:
        if self.secret_env is not None or self.secret_file is not None:
            self.secrets()
        return self

    def make(self, name: str) -> Webhook:
        return Webhook(name, self)

    def secrets(self) -> list[str]:
        """The signing secrets, read now; more than one while one replaces another.

        Raises:
            ValueError: there is none, or one is no `whsec_…` secret. Names the field, no secret.
        """
        field = "secret_file" if self.secret_env is None else "secret_env"
        source = str(getattr(self, field))
        try:
            text = os.environ[source] if self.secret_env else Path(source).read_text("utf-8")
        except KeyError:
            raise ValueError(f"{field}: environment variable {source} is not set") from None
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{field}: cannot be read: {error}") from None
        secrets = text.split()
        if not secrets or not all(map(_is_secret, secrets)):
            raise ValueError(
                f"{field}: {source} must hold whsec_<base64 of 24 to 64 random bytes>, nothing else"
            )
        return secrets


class Webhook:
    """Posts each alert to one address. After a 410 it posts nothing more until a restart."""

    at_once = 4

    def __init__(self, name: str, settings: WebhookSettings) -> None:
        self.name = name
        self._settings = settings
        self._signers = [Signer(secret) for secret in settings.secrets()]
        self._client = httpx.AsyncClient(
            follow_redirects=False,
            timeout=None,  # it would limit each read; `deliver` limits the whole
            headers={"content-type": "application/json", "user-agent": "andon"},
        )
        self._gone: str | None = None

    async def deliver(self, alert: Alert) -> Delivery:
        if self._gone:
            return Failed(self._gone)
        body = payload(alert)
        try:
            async with (
                asyncio.timeout(self._settings.timeout_s),
                self._client.stream(
                    "POST",
                    self._settings.url,
                    content=body,
                    headers=self._signature(alert.alert_id, body),
                ) as answer,
            ):
                return self._judge(answer)
        except TimeoutError:
            return Retry(f"no answer within {self._settings.timeout_s:g} s")
        except httpx.HTTPError as error:
            return Retry(f"{type(error).__name__}: {error}".removesuffix(": "))

    async def close(self) -> None:
        await self._client.aclose()

    def _signature(self, alert_id: str, body: bytes) -> dict[str, str]:
        now = datetime.now(UTC)
        signatures = (signer.sign(alert_id, now, body.decode()) for signer in self._signers)
        return {
            "webhook-id": alert_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }

    def _judge(self, answer: httpx.Response) -> Delivery:
        status = answer.status_code
        said = f"answered {status} {answer.reason_phrase}".strip()
        if answer.is_success:
            return Delivered()
        if status == httpx.codes.GONE:
            self._gone = f"{said}: receiver disabled; remove it or give it a new url, then restart"
            return Failed(self._gone)
        if status in _LATER or answer.is_server_error:
            return Retry(said, _retry_after_s(answer.headers.get("retry-after")))
        if answer.is_redirect:
            return Failed(f"{said}: redirects are refused; set the url to its final address")
        return Failed(said)


def payload(alert: Alert) -> bytes:
    """The request body, below 20 kB; texts and lists are cut where it would be longer."""
    data = alert.model_dump(mode="json", exclude_none=True)
    body = _body(alert, data)
    for size in _CLIPS:
        if len(body) < BODY_MAX:
            break
        body = _body(alert, _clipped(data, size))
    return body


def _body(alert: Alert, data: Any) -> bytes:
    envelope = {
        "type": f"andon.alert.{alert.kind}",
        "timestamp": format_ts(alert.since),
        "data": data,
    }
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()


def _clipped(data: Any, size: int) -> Any:
    if isinstance(data, str):
        return data if len(data) <= size else f"{data[: size - 1]}…"
    if isinstance(data, list):
        return [_clipped(item, size) for item in data[:_ENTRIES_MAX]]
    if isinstance(data, dict):
        return {key: _clipped(value, size) for key, value in list(data.items())[:_ENTRIES_MAX]}
    return data


def _retry_after_s(text: str | None) -> float | None:
    """Seconds of a `Retry-After` header: a number, or a date."""
    if text is None:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _is_secret(text: str) -> bool:
    encoded = text.removeprefix("whsec_")
    try:
        return encoded != text and 24 <= len(base64.b64decode(encoded, validate=True)) <= 64
    except binascii.Error:
        return False


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return address.is_loopback if address else host == "localhost"


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that `host` is, None for a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
