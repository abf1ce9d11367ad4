"""Against a real issuer on this machine, with real keys."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.oidc import IssuerError, Oidc
from api.scopes import Caller
from tests.api.serving import Api

AUDIENCE = "andon"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ED25519 = Ed25519PrivateKey.generate()


def rsa_key(kid: str, key: rsa.RSAPrivateKey) -> dict[str, Any]:
    made: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return made | {"kid": kid, "use": "sig", "alg": "RS256"}


def ed25519_key(kid: str, key: Ed25519PrivateKey) -> dict[str, Any]:
    made: dict[str, Any] = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return made | {"kid": kid, "use": "sig", "alg": "EdDSA"}


class Issuer:
    """An identity provider: a discovery document and keys, over HTTP."""

    def __init__(self) -> None:
        self.keys = [rsa_key("r", RSA), ed25519_key("e", ED25519)]
        self.asked: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.issuer = self.url
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))

    def token(self, key: Any = RSA, algorithm: str = "RS256", kid: str = "r", **claims: Any) -> str:
        """A token as it should be, but for `claims`; None takes one out."""
        now = int(time.time())
        told = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "grace",
            "exp": now + 300,
            "scope": "breakers:read breakers:write",
        } | claims
        told = {name: value for name, value in told.items() if value is not None}
        return jwt.encode(told, key, algorithm=algorithm, headers={"kid": kid})

    def __enter__(self) -> Issuer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()

    def _handler(issuer) -> type[BaseHTTPRequestHandler]:  # noqa: N805  the inner self is another
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                content = {
                    "/.well-known/openid-configuration": {
                        "issuer": issuer.issuer,
                        "jwks_uri": f"{issuer.url}/keys",
                    },
                    "/keys": {"keys": issuer.keys},
                }[self.path]
                body = json.dumps(content).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        return Handler


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


def caller(issuer: Issuer, *tokens: str) -> Caller:
    """Whose the last of them is; one reader reads all."""

    async def read() -> Caller:
        oidc = Oidc(issuer.url, AUDIENCE, "sub")
        for token in tokens:
            found = await oidc.caller(token)
        return found

    return asyncio.run(read())


def test_a_person_of_the_issuer_pauses_a_workflow(
    issuer: Issuer, broker: str, tmp_path: Path, unique: Callable[[str], str]
) -> None:
    with Api(
        broker, tmp_path, ANDON_API_OIDC_ISSUER=issuer.url, ANDON_API_OIDC_AUDIENCE=AUDIENCE
    ) as api:
        workflow = unique("refunds")
        answer = api.client.post(
            f"/v1/breakers/{workflow}/trip",
            json={"reason": "a test"},
            headers=api.as_(issuer.token()),
        )
        assert (answer.status_code, answer.json()["by"]) == (200, "user:grace")
        url = f"/v1/breakers/{workflow}"
        assert api.client.get(url).status_code == 200  # tokens of the file hold as well
        for token, status in (
            (issuer.token(scope="audit:read"), 403),
            (issuer.token(aud="another"), 401),
        ):
            assert api.client.get(url, headers=api.as_(token)).status_code == status
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


@pytest.mark.parametrize(
    "scopes",
    [{"scope": "a b"}, {"scope": None, "scp": ["a", "b"]}, {"scope": None, "scp": "a b"}],
)
def test_scopes_come_in_three_ways(issuer: Issuer, scopes: dict[str, Any]) -> None:
    assert caller(issuer, issuer.token(**scopes)) == Caller("grace", frozenset({"a", "b"}))


def test_ed25519_is_read_too(issuer: Issuer) -> None:
    assert caller(issuer, issuer.token(ED25519, "EdDSA", "e")).name == "grace"


STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
FORGED: dict[str, Callable[[Issuer], str]] = {
    "another audience": lambda issuer: issuer.token(aud="billing"),
    "another issuer": lambda issuer: issuer.token(iss="https://evil.example"),
    "expired": lambda issuer: issuer.token(exp=int(time.time()) - 60),
    "not yet": lambda issuer: issuer.token(nbf=int(time.time()) + 120),
    "never expires": lambda issuer: issuer.token(exp=None),
    "nobody": lambda issuer: issuer.token(sub=None),
    "blank": lambda issuer: issuer.token(sub=" "),
    "another key": lambda issuer: issuer.token(STRANGER),
    "unknown key": lambda issuer: issuer.token(STRANGER, kid="x"),
    "unsigned": lambda issuer: issuer.token(None, "none"),
    "public key as a secret": lambda issuer: issuer.token("x" * 64, "HS256"),
    "no token": lambda issuer: "abc",
    "changed": lambda issuer: issuer.token()[:-8] + "AAAAAAAA",
}


@pytest.mark.parametrize("how", FORGED)
def test_forged_tokens_are_refused(issuer: Issuer, how: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        caller(issuer, FORGED[how](issuer))


def test_keys_are_asked_for_once(issuer: Issuer) -> None:
    caller(issuer, *[issuer.token() for _ in range(3)])
    assert issuer.asked.count("/keys") == 1


def test_an_issuer_that_says_it_is_another_is_not_believed(issuer: Issuer) -> None:
    issuer.issuer = "https://evil.example"
    with pytest.raises(IssuerError, match="is of issuer"):
        caller(issuer, issuer.token())


def test_an_issuer_that_is_away_is_no_refusal(issuer: Issuer) -> None:
    token = issuer.token()

    async def read() -> None:
        await Oidc("http://127.0.0.1:9", AUDIENCE, "sub").caller(token)

    with pytest.raises(IssuerError, match="cannot be had"):
        asyncio.run(read())


def test_keys_do_not_come_in_plain_text_over_the_network() -> None:
    async def read() -> None:
        await Oidc("http://id.example", AUDIENCE, "sub").caller(jwt.encode({}, "x" * 32))

    with pytest.raises(IssuerError, match="must be https"):
        asyncio.run(read())
