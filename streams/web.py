"""One HTTP request to the outside: where it may go, its secret, and what the answer means."""

from __future__ import annotations

import asyncio
import ipaddress
import os
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple

import httpx

from streams.receivers import Delivered, Delivery, Failed, Retry

TIMEOUT_S = 15.0
_LATER = frozenset({408, 425, 429})


class Request(NamedTuple):
    """One request, complete."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes = b""


def client() -> httpx.AsyncClient:
    """One that follows no redirects; `send` limits the time of the whole."""
    return httpx.AsyncClient(
        follow_redirects=False,
        timeout=None,
        headers={"content-type": "application/json", "user-agent": "andon"},
    )


async def send(
    client: httpx.AsyncClient, request: Request, timeout_s: float
) -> httpx.Response | Retry:
    """The answer without its body, or why there is none."""
    method, url, headers, body = request
    try:
        async with (
            asyncio.timeout(timeout_s),
            client.stream(method, url, content=body, headers=headers) as answer,
        ):
            return answer
    except TimeoutError:
        return Retry(f"no answer within {timeout_s:g} s")
    except httpx.HTTPError as error:
        return Retry(f"{type(error).__name__}: {error}".removesuffix(": "))


def judge(answer: httpx.Response) -> Delivery:
    """What an answer means."""
    said = said_by(answer)
    if answer.is_success:
        return Delivered()
    if answer.status_code in _LATER or answer.is_server_error:
        return Retry(said, _retry_after_s(answer.headers.get("retry-after")))
    if answer.is_redirect:
        return Failed(f"{said}: redirects are refused; set the url to its final address")
    return Failed(said)


def said_by(answer: httpx.Response) -> str:
    """`answered 404 Not Found`."""
    return f"answered {answer.status_code} {answer.reason_phrase}".strip()


def web_address(url: str) -> str:
    """The url. Raises ValueError where it is none, or one that must not be called."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"is no web address: {error}") from None
    if parts.scheme not in ("https", "http") or not parts.host:
        raise ValueError("must be an address such as https://example.com/hooks/andon")
    if (address := _address(parts.host)) and address.is_link_local:
        raise ValueError("must not point at a link-local address, where clouds keep secrets")
    return url


def check_safe(address: str, *, allow_http: bool) -> None:
    """Raise ValueError where the url holds a password, or others could read what goes there."""
    url = httpx.URL(address)
    if url.userinfo:
        raise ValueError("url: must hold no password; secrets have settings of their own")
    if url.scheme == "http" and not (allow_http or _is_loopback(url.host)):
        raise ValueError(
            "url: plain http lets others read and change what is sent; use https, "
            "or set `allow_http: true` inside a network that you trust"
        )


def read_secret(field: str, env: str | None, file: str | None) -> str:
    """The text of a secret, read now, from `<field>_env` or `<field>_file`.

    Raises:
        ValueError: not exactly one is set, or there is nothing; names the field, no secret.
    """
    if (env is None) == (file is None):
        raise ValueError(f"{field}_env: exactly one of `{field}_env` and `{field}_file` is needed")
    try:
        text = os.environ[env] if env else Path(file or "").read_text("utf-8")
    except KeyError:
        raise ValueError(f"{field}_env: environment variable {env} is not set") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{field}_file: cannot be read: {error}") from None
    if not text.strip():
        raise ValueError(f"{field}_{'env' if env else 'file'}: {env or file} is empty")
    return text.strip()


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
