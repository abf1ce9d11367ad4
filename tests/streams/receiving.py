"""A web server that takes webhooks as it is told to, and alerts to send it."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from andon.commands import Alert
from andon.ids import uuid7
from tests.andon.records import ALERT

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
WAIT_S = 60.0  # longer than Apache Kafka waits for a member that died


@dataclass(frozen=True)
class Taken:
    """One request as it came in."""

    headers: dict[str, str]
    body: bytes
    method: str = "POST"
    path: str = "/hook"

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def alert(self) -> Alert:
        return Alert.model_validate(self.payload["data"])

    @cached_property
    def payload(self) -> dict[str, Any]:
        """The body, once its signature is found right."""
        verified: dict[str, Any] = Verifier(SECRET).verify(self.body, self.headers)
        return verified


class Answer(NamedTuple):
    """What the server says; `before` runs first, and may block."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    before: Callable[[], object] = lambda: None


Script = Callable[[Taken], Answer]


class Hook:
    """A context manager; `script` decides on each request, `taken` holds all of them."""

    def __init__(self, script: Script = lambda taken: Answer()) -> None:
        self.script = script
        self.taken: list[Taken] = []
        self._changed = threading.Condition()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook"

    @property
    def ids(self) -> list[str]:
        return [taken.id for taken in self.taken]

    def wait_for(self, true: Callable[[], object]) -> None:
        """Until `true()`, looked at after every request."""
        with self._changed:
            assert self._changed.wait_for(true, WAIT_S), f"in vain; taken were {self.ids}"

    def __enter__(self) -> Hook:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()

    def _take(self, taken: Taken) -> Answer:
        with self._changed:
            self.taken.append(taken)
            self._changed.notify_all()
        return self.script(taken)

    def _handler(hook) -> type[BaseHTTPRequestHandler]:  # noqa: N805  the inner self is another
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                taken = Taken(headers, body, self.command, self.path)
                with suppress(WebhookVerificationError, ValueError):
                    _ = taken.payload  # now: a signature is good for five minutes
                answer = hook._take(taken)
                answer.before()
                self.send_response(answer.status)
                for name, value in answer.headers:
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            do_PUT = do_PATCH = do_POST  # noqa: N815

            def log_message(self, *_: object) -> None: ...

        return Handler


def answers(*statuses: int) -> Script:
    """These statuses in turn, the last one for ever."""
    left = list(statuses)
    return lambda taken: Answer(left.pop(0) if len(left) > 1 else left[0])


def an_alert(**changes: Any) -> Alert:
    """A pause as the monitor writes it; a new id unless one is given."""
    return Alert.model_validate_json(
        json.dumps(ALERT | {"alert_id": uuid7(), "receivers": []} | changes)
    )


def eventually(true: Callable[[], object]) -> None:
    """Until `true()`; fails after a generous while."""
    end = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.02)
