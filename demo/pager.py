"""The phone of the person on call: a real web server that takes signed webhooks."""

from __future__ import annotations

import base64
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from pydantic import ValidationError
from standardwebhooks import Webhook, WebhookVerificationError

from andon.commands import Alert


class Pager:
    """A context manager. `alerts` holds what came with a good signature, each alert once."""

    def __init__(self) -> None:
        self.secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        self.alerts: dict[str, Alert] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/page"

    def take(self, body: bytes, headers: dict[str, str]) -> int:
        """The HTTP status of a request."""
        try:
            payload = Webhook(self.secret).verify(body, headers)
            alert = Alert.model_validate(payload["data"])
        except WebhookVerificationError:
            return 401
        except (ValidationError, KeyError, TypeError):
            return 400
        self.alerts[headers["webhook-id"]] = alert
        return 204

    def __enter__(self) -> Pager:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self.take

        class Handler(BaseHTTPRequestHandler):
            timeout = 5

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                self.send_response(take(body, headers))
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing: standard error is the reader's."""

        return Handler
