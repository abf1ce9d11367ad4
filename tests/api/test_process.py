"""The API as a process: errors, health, metrics, TLS."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from tests.api.serving import Api, event


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v2", 404), ("GET", "/", 404), ("DELETE", "/v1/events", 405), ("GET", "/v1/", 404)],
)
def test_errors_of_the_framework_are_problems_too(
    api: Api, method: str, path: str, status: int
) -> None:
    answer = api.client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["type"]) == (status, "about:blank")
    assert problem["instance"] == f"urn:uuid:{answer.headers['x-request-id']}"
    assert "/openapi.json" in problem["detail"]


def test_a_method_that_is_not_there_is_told_those_that_are(api: Api) -> None:
    answer = api.client.delete("/v1/policies")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, PUT")


def test_it_counts_what_it_answers(api: Api, unique: Callable[[str], str]) -> None:
    accepted = 'andon_api_events_total{fate="accepted"}'
    rejected = 'andon_api_events_total{fate="rejected"}'
    asked = 'andon_api_requests_total{operation="writeEvents",status="202"}'
    strange = 'andon_api_requests_total{operation="none",status="404"}'
    names = (accepted, rejected, asked, strange)
    before = [api.metric(name) for name in names]
    workflow = unique("counted")
    api.client.post("/v1/events", json=[event(workflow), event(workflow)])
    api.client.post("/v1/events", json=[event(workflow), {}])
    api.client.get("/v1/strange")
    assert [api.metric(name) for name in names] == [
        now + more for now, more in zip(before, (2, 1, 1, 1), strict=True)
    ]


def certificate(folder: Path) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that it has signed itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "andon")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, SHA256())
    )
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    pem = serialization.Encoding.PEM
    cert_path.write_bytes(made.public_bytes(pem))
    key_path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(cert_path), str(key_path)


def test_it_speaks_tls(broker: str, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    with Api(broker, tmp_path, "--tls-cert", cert, "--tls-key", key, trust=cert) as api:
        assert api.url.startswith("https://")
        assert api.client.get("/v1/breakers").status_code == 200
