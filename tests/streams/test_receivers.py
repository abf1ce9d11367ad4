from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import shutil
import ssl
import subprocess
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook as Verifier

from andon.alert_text import alert_text
from andon.commands import Alert
from andon.errors import ReceiversError
from streams.receivers import Delivered, Delivery, Failed, Retry
from streams.receivers.terminal import Terminal
from streams.receivers.webhook import BODY_MAX, Webhook, WebhookSettings, payload
from streams.routes import load_routes
from tests.streams.receiving import SECRET, Answer, Hook, an_alert, answers


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)


def post(url: str, *alerts: Alert, timeout_s: float = 15) -> list[Delivery]:
    """One receiver, the alerts one after the other."""

    async def deliver() -> list[Delivery]:
        settings = WebhookSettings(url=url, secret_env="HOOK_SECRET", timeout_s=timeout_s)
        webhook = Webhook("ops", settings)
        try:
            return [await webhook.deliver(alert) for alert in alerts]
        finally:
            await webhook.close()

    return asyncio.run(deliver())


def test_a_webhook_is_signed_and_holds_the_whole_alert() -> None:
    alert = an_alert()
    with Hook() as hook:
        assert post(hook.url, alert) == [Delivered()]
    (taken,) = hook.taken
    assert taken.id == alert.alert_id
    assert taken.headers["content-type"] == "application/json"
    assert taken.payload["type"] == "andon.alert.paused"
    assert taken.payload["timestamp"] == "2026-01-31T08:00:00.000Z"
    assert taken.alert == alert


def test_a_signature_covers_the_body() -> None:
    with Hook() as hook:
        post(hook.url, an_alert())
    (taken,) = hook.taken
    with pytest.raises(Exception, match="No matching signature"):
        _ = replace(taken, body=taken.body.replace(b"paused", b"resumed")).payload


def test_two_secrets_sign_while_one_replaces_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    new = "whsec_" + base64.b64encode(os.urandom(32)).decode()
    monkeypatch.setenv("HOOK_SECRET", f"{SECRET}\n{new}\n")
    with Hook() as hook:
        post(hook.url, an_alert())
    (taken,) = hook.taken
    for secret in (SECRET, new):
        Verifier(secret).verify(taken.body, taken.headers)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, Delivered()),
        (204, Delivered()),
        (400, Failed("answered 400 Bad Request")),
        (404, Failed("answered 404 Not Found")),
        (408, Retry("answered 408 Request Timeout")),
        (429, Retry("answered 429 Too Many Requests")),
        (500, Retry("answered 500 Internal Server Error")),
        (503, Retry("answered 503 Service Unavailable")),
    ],
)
def test_what_an_answer_means(status: int, expected: Delivery) -> None:
    with Hook(answers(status)) as hook:
        assert post(hook.url, an_alert()) == [expected]


@pytest.mark.parametrize("status", [429, 503])
def test_the_other_side_may_name_the_wait(status: int) -> None:
    in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    said = iter([in_an_hour, "17", "soon"])
    with Hook(lambda taken: Answer(status, (("retry-after", next(said)),))) as hook:
        date, seconds, nonsense = post(hook.url, an_alert(), an_alert(), an_alert())
    assert isinstance(date, Retry)
    assert date.after_s == pytest.approx(3600, abs=60)
    assert isinstance(seconds, Retry)
    assert seconds.after_s == 17
    assert isinstance(nonsense, Retry)
    assert nonsense.after_s is None


def test_a_410_disables_the_receiver() -> None:
    with Hook(answers(410, 200)) as hook:
        first, second = post(hook.url, an_alert(), an_alert())
    assert isinstance(first, Failed)
    assert "410 Gone: receiver disabled" in first.reason
    assert second == first
    assert len(hook.taken) == 1


def test_a_redirect_is_refused_not_followed() -> None:
    with (
        Hook() as elsewhere,
        Hook(lambda taken: Answer(307, (("location", elsewhere.url),))) as hook,
    ):
        (delivery,) = post(hook.url, an_alert())
    assert isinstance(delivery, Failed)
    assert "redirects are refused" in delivery.reason
    assert elsewhere.taken == []


def test_no_answer_in_time_is_worth_a_retry() -> None:
    gate = threading.Event()
    with Hook(lambda taken: Answer(before=gate.wait)) as hook:
        assert post(hook.url, an_alert(), timeout_s=0.2) == [Retry("no answer within 0.2 s")]
        gate.set()


def test_nobody_there_is_worth_a_retry() -> None:
    with Hook() as hook:
        url = hook.url
    (delivery,) = post(url, an_alert())
    assert isinstance(delivery, Retry)
    assert "ConnectError" in delivery.reason


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes its certificate with openssl")
def test_a_certificate_that_nobody_vouches_for_gets_no_alert(tmp_path: Path) -> None:
    pem = tmp_path / "both.pem"
    words = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout both.pem"
    command = f"{words} -out both.pem.crt -addext subjectAltName=IP:127.0.0.1".split()
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{pem}.crt", pem)
    hook = Hook()
    hook.server.socket = context.wrap_socket(hook.server.socket, server_side=True)
    hook.server.handle_error = lambda *_: None  # type: ignore[method-assign]
    with hook:
        (delivery,) = post(hook.url.replace("http:", "https:"), an_alert())
    assert isinstance(delivery, Retry)
    assert "CERTIFICATE_VERIFY_FAILED" in delivery.reason
    assert hook.taken == []


def test_a_body_is_cut_below_20_kb_and_stays_an_alert() -> None:
    huge = {"text": "é" * 50_000, "event_ids": ["x" * 128] * 20, "group": {"run": "r" * 90_000}}
    alert = an_alert(reason=huge, receivers=["ops"] * 5_000, note="n" * 9_000)
    body = payload(alert)
    assert len(body) < BODY_MAX
    cut = Alert.model_validate(json.loads(body)["data"])
    assert cut.alert_id == alert.alert_id
    assert cut.reason.text.startswith("ééé")
    assert cut.reason.text.endswith("…")


def test_a_terminal_that_is_none_gets_plain_lines() -> None:
    out = io.StringIO()
    alert = an_alert()
    assert asyncio.run(Terminal("terminal", out).deliver(alert)) == Delivered()
    assert out.getvalue() == f"{alert_text(alert)}\n\n"


def test_a_terminal_gets_colours_and_no_escapes_from_outside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)

    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Tty()
    alert = an_alert(title="\x1b]0;owned\x07 [bold]x", reason={"text": "[red]y[/red]"})
    assert asyncio.run(Terminal("terminal", out).deliver(alert)) == Delivered()
    shown = out.getvalue()
    assert "\x1b[" in shown
    assert "\x1b]0;owned" not in shown
    assert "[bold]x" in shown
    assert "[red]y[/red]" in shown
    assert "andon reset refunds" in shown


def test_a_closed_terminal_takes_nothing() -> None:
    out = io.StringIO()
    out.close()
    delivery = asyncio.run(Terminal("terminal", out).deliver(an_alert()))
    assert isinstance(delivery, Failed)
    assert "cannot write" in delivery.reason


GOOD = """
receivers:
  - name: ops
    webhook: {url: "https://example.com/andon", secret_env: HOOK_SECRET}
  - name: night
    terminal: {}
default: [night]
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "receivers.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("wanted", "heard_by", "note"),
    [
        ([], ["night"], None),
        (["ops"], ["ops"], None),
        (["ops", "night", "ops"], ["ops", "night"], None),
        (["opps"], ["night"], "no receiver is named 'opps': sent to the default"),
        (["ops", "a", "b"], ["ops", "night"], "no receiver is named 'a', 'b': sent to the default"),
    ],
)
def test_an_alert_always_reaches_somebody(
    tmp_path: Path, wanted: list[str], heard_by: list[str], note: str | None
) -> None:
    routes = load_routes(written(tmp_path, GOOD))
    alert, receivers = routes.find(an_alert(receivers=wanted))
    assert [receiver.name for receiver in receivers] == heard_by
    assert alert.note == note


def test_without_a_file_the_terminal_hears_everything() -> None:
    _, (receiver,) = load_routes(None).find(an_alert(receivers=["payments-oncall"]))
    assert receiver.name == "terminal"


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    text = GOOD.replace("secret_env: HOOK_SECRET", f"secret_file: {secret}")
    assert "ops" in load_routes(written(tmp_path, text)).receivers


WEBHOOK = 'webhook: {url: "https://example.com/andon", secret_env: HOOK_SECRET}'


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "message"),
    [
        ("terminal: {}", "terminl: {}", 6, "receivers[1].terminl", "did you mean 'terminal'?"),
        ("    terminal: {}\n", "", 5, "receivers[1].name", "exactly one kind"),
        ("terminal: {}", "terminal: {}\n    " + WEBHOOK, 5, "receivers[1].name", "exactly one"),
        ("name: night", "name: ops", 2, "receivers", "two are named 'ops'; give"),
        ("[night]", "[day]", 7, "default", "knows no receiver 'day'; use of ops, night"),
        ("[night]", "[]", 7, "default", "at least 1 item"),
        ("default: [night]\n", "", 2, "default", "is required"),
        ("https:", "http:", 4, "receivers[0].webhook.url", "plain http lets others read"),
        ("https:", "file:", 4, "receivers[0].webhook.url", "must be an address such as"),
        ("//example.com", "//", 4, "receivers[0].webhook.url", "must be an address such as"),
        ("//example", "//u:pw@example", 4, "receivers[0].webhook.url", "must hold no password"),
        ("//example.com", "//169.254.169.254", 4, "receivers[0].webhook.url", "link-local"),
        ("//example.com", "//[::ffff:169.254.1.1]", 4, "receivers[0].webhook.url", "link-local"),
        ("HOOK_SECRET", "NO_SECRET", 4, "receivers[0].webhook.secret_env", "NO_SECRET is not set"),
        ("HOOK_SECRET", "HOME", 4, "receivers[0].webhook.secret_env", "must hold whsec_"),
        (", secret_env: HOOK_SECRET", "", 4, "receivers[0].webhook.secret_env", "exactly one of"),
        ("secret_env: HOOK_SECRET", "secret_file: /no", 4, "receivers[0].webhook.secret_file", ""),
    ],
)
def test_mistakes_in_the_file_are_told_with_their_place(
    tmp_path: Path, old: str, new: str, line: int, field: str, message: str
) -> None:
    assert old in GOOD
    path = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(ReceiversError) as caught:
        load_routes(path)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.field) == (str(path), line, field)
    assert message in problem.message
    assert "pw" not in str(problem)


@pytest.mark.parametrize("url", ["http://localhost:1/x", "http://127.0.0.1/x", "http://[::1]/x"])
def test_plain_http_is_good_enough_on_this_machine(url: str) -> None:
    assert WebhookSettings(url=url, secret_env="HOOK_SECRET").url == url


def test_plain_http_can_be_allowed() -> None:
    url = "http://hooks.internal/andon"
    assert WebhookSettings(url=url, secret_env="HOOK_SECRET", allow_http=True).url == url


def test_the_file_in_the_documentation_is_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANDON_WEBHOOK_SECRET", SECRET)
    page = Path(__file__).parents[2] / "docs" / "alerting.md"
    example = page.read_text("utf-8").split("```yaml\n")[1].split("```")[0]
    routes = load_routes(written(tmp_path, example))
    assert routes.default == ("payments-oncall", "console")
