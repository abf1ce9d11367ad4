"""What actuators that call an HTTP API have in common: its address, and who they are to it."""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from streams.web import TIMEOUT_S, Request, check_safe, read_secret, web_address


class Api(BaseModel):
    """`token_env` or `token_file` hold a bearer token; with `user`, that user's password."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    token_env: str | None = None
    token_file: str | None = None
    user: str | None = None
    allow_http: bool = False
    timeout_s: Annotated[float, Field(gt=0, le=30)] = TIMEOUT_S

    @field_validator("url")
    @classmethod
    def _is_a_web_address(cls, url: str) -> str:
        return web_address(url).rstrip("/")

    @model_validator(mode="after")
    def _is_safe(self) -> Api:
        check_safe(self.url, allow_http=self.allow_http)
        read_secret("token", self.token_env, self.token_file)
        return self

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Request:
        """A request with its authorization; the token is read now."""
        token = read_secret("token", self.token_env, self.token_file)
        if self.user is None:
            authorization = f"Bearer {token}"
        else:
            pair = base64.b64encode(f"{self.user}:{token}".encode()).decode()
            authorization = f"Basic {pair}"
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        content = b"" if body is None else json.dumps(body).encode()
        return Request(method, self.url + path, {"authorization": authorization} | told, content)


def segment(name: str) -> str:
    """A name as one part of a path, whatever it holds."""
    return quote(name, safe="")
