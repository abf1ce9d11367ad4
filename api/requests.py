"""What every request gets: an id, its time, a count, and names with slashes left whole."""

from __future__ import annotations

import time
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import Depends, Path, Request
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Asgi

from andon.ids import uuid7
from api.metrics import Metrics
from api.problems import FieldProblem, ProblemError, answer, invalid

REQUEST_ID = b"x-request-id"
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
NAME_MAX = 200
LENGTH: dict[str, Any] = {"maxLength": NAME_MAX}


class Requests:
    """The outermost middleware."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Asgi, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid7()
        scope.setdefault("state", {})["request_id"] = request_id
        scope["path"] = _with_slashes_escaped(scope["raw_path"])
        started = time.perf_counter()
        status = 500

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (REQUEST_ID, request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, tell)
        finally:
            self._metrics.answered(_operation(scope), status, time.perf_counter() - started)


class LocalNames:
    """Lets nobody in who calls this machine by another name, as a page can whose name server lies
    (DNS rebinding)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Asgi, receive: Receive, send: Send) -> None:
        request = Request(scope) if scope["type"] == "http" else None
        if request is None or request.url.hostname in LOCAL_NAMES:
            await self._app(scope, receive, send)
            return
        told = f"Host: must be one of {', '.join(LOCAL_NAMES)}, as nobody has to say who they are"
        await answer(request, ProblemError(400, told))(scope, receive, send)


def _operation(scope: Asgi) -> str:
    """The operation's id, of which there are few; whatever else was asked for is `none`."""
    return getattr(scope.get("route"), "operation_id", None) or "none"


def _with_slashes_escaped(raw_path: bytes) -> str:
    """The path, decoded but for slashes within a name: `a%2Fb` is one segment."""
    text = raw_path.decode("ascii", errors="replace")
    for escaped in ("%25", "%2F", "%2f"):
        text = text.replace(escaped, f"%25{escaped[1:]}")
    return unquote(text)


def _name(workflow: Annotated[str, Path(min_length=1, json_schema_extra=LENGTH)]) -> str:
    name = unquote(workflow)
    if len(name) > NAME_MAX:
        told = f"has {len(name):,} characters, {NAME_MAX} is the most"
        raise invalid([FieldProblem(field="workflow", detail=told)])
    return name


Workflow: Any = Annotated[str, Depends(_name)]
