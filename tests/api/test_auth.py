from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.scopes import Scope
from api.settings import load_api_settings
from api.tokens import Tokens, TokensError, add_token
from streams.settings import SettingsError
from tests.api.serving import ANDON, Api, event

Unique = Callable[[str], str]
NEEDED = {
    ("POST", "/v1/events"): "events:write",
    ("POST", "/v1/permits"): "permits:ask",
    ("GET", "/v1/breakers"): "breakers:read",
    ("GET", "/v1/breakers/w"): "breakers:read",
    ("POST", "/v1/breakers/w/trip"): "breakers:write",
    ("POST", "/v1/breakers/w/reset"): "breakers:write",
    ("GET", "/v1/approvals"): "approvals:read",
    ("POST", "/v1/approvals/w/approve"): "approvals:write",
    ("POST", "/v1/approvals/w/deny"): "approvals:write",
    ("GET", "/v1/policies"): "policies:read",
    ("POST", "/v1/policies/validate"): "policies:read",
    ("PUT", "/v1/policies"): "policies:write",
    ("GET", "/v1/audit"): "audit:read",
}


def call(api: Api, method: str, path: str, token: str) -> Any:
    return api.client.request(method, path, content=b"<", headers=api.as_(token))


@pytest.mark.parametrize(("method", "path"), NEEDED)
def test_each_route_needs_its_scope_before_anything_else(
    api: Api, unique: Unique, method: str, path: str
) -> None:
    needed = NEEDED[method, path]
    others = [scope for scope in Scope if scope != needed]
    unknown = call(api, method, path, "andon_nobody")
    assert (unknown.status_code, unknown.headers["www-authenticate"]) == (
        401,
        'Bearer error="invalid_token"',
    )
    lacks = call(api, method, path, add_token(api.tokens, unique("bob"), others))
    assert lacks.status_code == 403
    assert needed in lacks.json()["detail"]
    assert f'scope="{needed}"' in lacks.headers["www-authenticate"]
    has = call(api, method, path, add_token(api.tokens, unique("eve"), [Scope(needed)]))
    assert has.status_code in (200, 415, 428)


def test_every_route_of_the_api_is_held_to_its_scope(api: Api) -> None:
    paths = api.client.get("/openapi.json").json()["paths"]
    routes = {
        (method.upper(), path.replace("{workflow}", "w").replace("{request_id}", "w")): operation[
            "security"
        ]
        for path, methods in paths.items()
        for method, operation in methods.items()
        if path.startswith("/v1/")
    }
    assert {route: [{"bearer": [scope]}] for route, scope in NEEDED.items()} == routes


def test_who_says_nothing_is_asked(api: Api) -> None:
    answer = api.client.get("/v1/breakers", headers={"Authorization": ""})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_token_that_was_taken_out_is_void(api: Api, unique: Unique) -> None:
    name = unique("leaver")
    token = add_token(api.tokens, name, [Scope.BREAKERS_READ])
    assert call(api, "GET", "/v1/breakers", token).status_code == 200
    content = json.loads(api.tokens.read_text())
    content["tokens"] = [entry for entry in content["tokens"] if entry["name"] != name]
    api.tokens.write_text(json.dumps(content))
    assert call(api, "GET", "/v1/breakers", token).status_code == 401


def test_a_token_is_printed_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    options = ["--scope", "events:write", "--scope", "permits:ask", "--tokens", str(path)]
    made = subprocess.run(
        [ANDON, "api", "token", "n8n", *options], capture_output=True, text=True, check=True
    )
    token = made.stdout.strip()
    assert token not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    caller = Tokens(path).caller(token)
    assert caller is not None
    assert (caller.name, caller.scopes) == ("n8n", {"events:write", "permits:ask"})
    again = subprocess.run(
        [ANDON, "api", "token", "n8n", *options], capture_output=True, text=True, check=False
    )
    assert (again.returncode, "n8n" in again.stderr) == (2, True)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "file: Invalid JSON"),
        ('{"tokens": [{"name": "a", "sha256": "b", "scopes": ["events:write"]}]}', "sha256"),
        ('{"tokens": [{"name": "a", "scopes": ["fly"]}]}', "sha256: Field required"),
    ],
)
def test_a_file_that_is_no_file_of_tokens_is_refused(
    tmp_path: Path, content: str, told: str
) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(content)
    with pytest.raises(TokensError, match=told):
        Tokens(path)
    with pytest.raises(TokensError, match="make tokens with"):
        Tokens(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"host": "0.0.0.0"}, "make tokens with"),
        ({"host": "::"}, "make tokens with"),
        ({"host": "andon.example"}, "make tokens with"),
        ({"host": "0.0.0.0", "insecure_http": True}, "make tokens with"),
        ({"host": "0.0.0.0", "tokens": "t.json"}, "plain text"),
        ({"tls_cert": "c.pem"}, "set both"),
        ({"oidc_issuer": "https://id.example"}, "ANDON_API_OIDC_AUDIENCE"),
        ({"port": 70_000}, "ANDON_API_PORT: .*70000"),
    ],
)
def test_it_does_not_start_open_to_the_network(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        load_api_settings(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"host": "127.0.0.1"},
        {"host": "::1"},
        {"host": "localhost"},
        {"host": "0.0.0.0", "tokens": "t.json", "insecure_http": True},
        {"host": "0.0.0.0", "tokens": "t.json", "tls_cert": "c.pem", "tls_key": "k.pem"},
        {
            "host": "0.0.0.0",
            "oidc_issuer": "https://id.example",
            "oidc_audience": "andon",
            "insecure_http": True,
        },
    ],
)
def test_it_starts_where_it_is_safe(settings: dict[str, Any]) -> None:
    assert load_api_settings(**settings).host == settings["host"]


def test_the_command_refuses_as_the_settings_do() -> None:
    done = subprocess.run(
        [ANDON, "api", "--host", "0.0.0.0"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("andon api: ANDON_API_HOST: 0.0.0.0 can be reached")


def test_anyone_on_this_machine_may_but_no_page_by_another_name(
    broker: str, tmp_path: Path, unique: Unique
) -> None:
    with Api(broker, tmp_path, authenticated=False) as api:
        told = event(unique("open"))
        nobody = {"Authorization": ""}
        assert api.client.post("/v1/events", json=told, headers=nobody).status_code == 202
        rebound = nobody | {"Host": "evil.example"}
        answer = api.client.post("/v1/events", json=told, headers=rebound)
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"
