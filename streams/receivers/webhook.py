"""Alerts as signed HTTP requests, after the Standard Webhooks specification 1.0.

`webhook-id` is the alert's id, the same at every attempt, so the other side can drop what it has.
"""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Annotated, Any

import httpx
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from standardwebhooks import Webhook as Signer

from andon.commands import Alert
from andon.events import format_ts
from streams.receivers import Delivery, Failed, Retry
from streams.web import (
    TIMEOUT_S,
    Request,
    check_safe,
    client,
    judge,
    read_secret,
    said_by,
    send,
    web_address,
)

BODY_MAX = 20_000
_CLIPS = (1_000, 200, 50)
_ENTRIES_MAX = 30


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
        return web_address(url)

    @model_validator(mode="after")
    def _is_safe(self) -> WebhookSettings:
        if (self.secret_env is None) == (self.secret_file is None):
            raise ValueError("secret_env: exactly one of `secret_env` and `secret_file` is needed")
        check_safe(self.url, allow_http=self.allow_http)
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
        secrets = read_secret("secret", self.secret_env, self.secret_file).split()
        if not all(map(_is_secret, secrets)):
            field = "secret_env" if self.secret_env else "secret_file"
            raise ValueError(
                f"{field}: {self.secret_env or self.secret_file} must hold whsec_<base64 of "
                "24 to 64 random bytes>, nothing else"
            )
        return secrets


def signature(settings: WebhookSettings, message_id: str, body: bytes) -> dict[str, str]:
    """The headers that prove who sent the body, and when."""
    now = datetime.now(UTC)
    signatures = (
        Signer(secret).sign(message_id, now, body.decode()) for secret in settings.secrets()
    )
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


class Webhook:
    """Posts each alert to one address. After a 410 it posts nothing more until a restart."""

    at_once = 4

    def __init__(self, name: str, settings: WebhookSettings) -> None:
        self.name = name
        self._settings = settings
        self._client = client()
        self._gone: str | None = None

    async def deliver(self, alert: Alert) -> Delivery:
        if self._gone:
            return Failed(self._gone)
        body = payload(alert)
        headers = signature(self._settings, alert.alert_id, body)
        request = Request("POST", self._settings.url, headers, body)
        answer = await send(self._client, request, self._settings.timeout_s)
        if isinstance(answer, Retry):
            return answer
        if answer.status_code == httpx.codes.GONE:
            advice = "receiver disabled; remove it or give it a new url, then restart"
            self._gone = f"{said_by(answer)}: {advice}"
            return Failed(self._gone)
        return judge(answer)

    async def close(self) -> None:
        await self._client.aclose()


def payload(alert: Alert, kind: str = "") -> bytes:
    """The request body, below 20 kB; texts and lists are cut where it would be longer.

    `kind` is its type, by default that of the alert.
    """
    kind = kind or f"andon.alert.{alert.kind}"
    data = alert.model_dump(mode="json", exclude_none=True)
    body = _body(kind, alert, data)
    for size in _CLIPS:
        if len(body) < BODY_MAX:
            break
        body = _body(kind, alert, _clipped(data, size))
    return body


def _body(kind: str, alert: Alert, data: Any) -> bytes:
    envelope = {
        "type": kind,
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


def _is_secret(text: str) -> bool:
    encoded = text.removeprefix("whsec_")
    try:
        return encoded != text and 24 <= len(base64.b64decode(encoded, validate=True)) <= 64
    except binascii.Error:
        return False
